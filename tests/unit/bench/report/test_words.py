"""What the reports say, in Markdown."""

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.report.contents import contents
from bench.report.document import Table, plain
from bench.report.markdown import render, table
from bench.result import Result
from tests.unit.bench.report.reading import cells, section
from tests.unit.bench.report.synthetic import synthetic_result

BACKENDS = {"pytorch": 4.1, "onnx": 3.2, "tensorrt": 2.2}


def report(result: Result) -> str:
    return render(contents(result))


def test_the_decision_comes_first(gpu_result: Result) -> None:
    lines = report(gpu_result).splitlines()
    assert lines[0] == "# CLIP bake-off: tensorrt wins on latency"
    assert lines[2] == f"**{gpu_result.summary.decision}**"
    assert "1.45 times" in lines[2]


def test_backends_alike_are_a_tie() -> None:
    text = report(synthetic_result({"pytorch": 4.0, "onnx": 4.0}))
    assert text.startswith("# CLIP bake-off: a tie on latency\n")
    assert cells(text, "single, pixels", "p50, ms")[4].startswith("tie; ")


def test_a_lone_backend_is_not_called_a_winner() -> None:
    text = report(synthetic_result({"onnx": 3.2}))
    assert text.startswith("# CLIP bake-off: onnx alone\n\n**Only onnx was ready; nothing to compare.**")
    assert "wins" not in text
    assert "## By goal" not in text
    assert "## Agreement" not in text


def test_each_scenario_has_figures_intervals_winner_and_margin(gpu_result: Result) -> None:
    row = cells(report(gpu_result), "single, pixels", "p50, ms")
    assert re.fullmatch(r"4\.\d\d \(4\.\d\d to 4\.\d\d\)", row[2])
    assert re.fullmatch(r"\*\*2\.\d\d\*\* \(2\.\d\d to 2\.\d\d\)", row[4])
    assert re.fullmatch(
        r"\*\*tensorrt\*\*; 1\.\d\dx pytorch \(.* to .*\); 1\.\d\dx onnx \(1\.\d\d to 1\.\d\d\)", row[5]
    )


def test_only_the_heaviest_load_of_each_kind_is_in_the_short_table(gpu_result: Result) -> None:
    results = section(report(gpu_result), "Results")
    assert cells(results, "batch 64, pixels")
    with pytest.raises(AssertionError):
        cells(results, "batch 32, pixels")


def test_grpc_has_its_own_table_without_a_backend_that_does_not_speak_it(gpu_result: Result) -> None:
    over_grpc = section(report(gpu_result), "Results").split("Over gRPC:")[1]
    assert "pytorch" not in over_grpc
    assert len(cells(over_grpc, "single, pixels, gRPC")) == 5


def test_random_weights_are_announced_before_any_figure(gpu_result: Result) -> None:
    before_figures = report(synthetic_result(BACKENDS, meaningful=False)).split("\n## ")[0]
    assert "Random weights: the embeddings mean nothing; the speeds are real." in before_figures
    assert before_figures.count("the weights of 'openai' could not be downloaded (no network)") == 1
    assert before_figures.count("mean nothing") == 1
    assert before_figures.lower().count("random weights") == 1
    assert "Random weights" not in report(gpu_result)


def test_failures_are_announced_once_for_all_their_scenarios_with_an_error() -> None:
    text = report(synthetic_result(BACKENDS, problems={"onnx": "3 of 1003 requests failed"}))
    expected = (
        "> **onnx, 4 scenarios (such as single, encoded photos): 3 of 1003 requests failed.** It cannot win there. "
    )
    assert expected + "`out of memory <b>now</b>`" in text
    assert cells(text, "single, pixels", "p50, ms")[3].endswith("invalid")


def test_what_the_client_limited_and_what_was_unstable_is_said(gpu_result: Result) -> None:
    text = report(gpu_result)
    assert "> **client-bound:** 4 points (such as onnx, 64 in flight, encoded photos, gRPC)" in text
    assert "> **unstable:** 4 points (such as onnx, 16 in flight, encoded photos)" in text
    assert cells(text, "64 in flight, pixels, gRPC", "images/s")[2].endswith("client-bound")


def test_unlike_conditions_are_announced(gpu_result: Result) -> None:
    fairness = gpu_result.fairness.model_copy(update={"unfair": ("precision differs: a fp16, b fp32",)})
    text = report(gpu_result.model_copy(update={"fairness": fairness}))
    assert "> **Not the same conditions:** precision differs: a fp16, b fp32." in text


def test_disagreement_is_announced_and_shown(gpu_result: Result) -> None:
    parities = tuple(
        each.model_copy(update={"agrees": False, "error": 0.5}) if each.backend == "onnx" else each
        for each in gpu_result.parity_before
    )
    text = report(gpu_result.model_copy(update={"parity_before": parities}))
    assert "> **onnx disagrees:**" in text
    assert cells(text, "onnx and pytorch", "pixels")[2:4] == ["0.5 **disagrees**", "0.0012 agrees"]


def test_an_interrupted_run_says_so() -> None:
    text = report(synthetic_result(BACKENDS, interrupted=True))
    assert "> **Interrupted:** 3 of 5 rounds are complete and count." in text
    assert cells(text, "onnx and pytorch", "pixels")[3] == "-"


def test_what_was_not_measured_has_its_reason(cpu_result: Result) -> None:
    text = report(cpu_result)
    assert cells(text, "tensorrt")[2] == r"no NVIDIA GPU \| none at all"
    assert cells(text, "wan")[1] == r"not permitted: \`tc\` needs CAP_NET_ADMIN"


def test_the_server_scenario_says_by_what_test_its_rate_is_valid(gpu_result: Result) -> None:
    assert cells(report(gpu_result), "server, pixels", "onnx")[4] == "valid"
    point = next(p for p in gpu_result.summary.points if p.server and p.backend == "onnx")
    assert point.server is not None
    few = point.model_copy(
        update={"server": point.server.model_copy(update={"status": "insufficient", "highest_per_s": None})}
    )
    points = tuple(few if each == point else each for each in gpu_result.summary.points)
    summary = gpu_result.summary.model_copy(update={"points": points})
    row = cells(report(gpu_result.model_copy(update={"summary": summary})), point.scenario.title, "onnx")
    assert row[2:] == ["-", "-", "too few requests: one rate needs 662"]


def test_the_split_adds_up_to_what_the_client_saw(gpu_result: Result) -> None:
    row = cells(section(report(gpu_result), "Where the time goes"), "single, pixels", "onnx")
    *parts, whole = (float(cell) for cell in row[2:])
    assert sum(parts) == pytest.approx(whole, rel=0.01)
    point = next(
        p for p in gpu_result.summary.points if p.scenario.name == "single-pixels-http" and p.backend == "onnx"
    )
    assert whole == pytest.approx(point.mean_ms, rel=0.01)


def test_hardware_is_left_out_where_nobody_could_look(gpu_result: Result, cpu_result: Result) -> None:
    row = cells(section(report(gpu_result), "Hardware"), "offline, pixels", "onnx")
    assert row[2] == "1.20"
    assert row[4] == "46%"
    assert row[-1] == "SwPowerCap 25%"
    assert "## Hardware" not in report(cpu_result)


def test_conditions_have_weights_photos_versions_commit_and_command(gpu_result: Result) -> None:
    conditions = section(report(gpu_result), "Conditions")
    assert cells(conditions, "weights")[1] == "openai, SHA-256 `aaaaaaaaaaaa`"
    assert cells(conditions, "commit")[1] == gpu_result.machine.commit
    assert cells(conditions, "command")[1] == f"`{gpu_result.command}`"
    assert "driver 580.1" in cells(conditions, "GPU")[1]


def test_the_weights_that_were_used_are_named_and_not_only_those_asked_for(gpu_result: Result) -> None:
    model = {**gpu_result.model, "pretrained": "openai", "source": "random", "weights_sha256": None}
    text = report(gpu_result.model_copy(update={"model": model}))
    assert cells(section(text, "Conditions"), "weights")[1] == "random (asked for: openai)"


def test_a_result_survives_its_file(gpu_result: Result) -> None:
    again = Result.model_validate_json(gpu_result.model_dump_json())
    assert report(again) == report(gpu_result)


def test_tables_are_in_line_and_their_pipes_do_not_break_them() -> None:
    lines = table(Table(["a", "b"], [["x|y", "1"], ["z", "22\n33"]], right=1)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2] == r"| x\|y |      1 |"
    assert lines[3] == r"| z    | 22; 33 |"


@example(" ")
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1))
def test_somebody_elses_words_are_shown_as_they_are(words: str) -> None:
    line = f"x {plain(words)}".rstrip()  # of blanks only, nothing is left
    shown = MarkdownIt("commonmark", {"html": False}).renderInline(line)
    assert html.unescape(shown) == " ".join(f"x {words}".split())


def test_a_percentile_that_no_request_is_above_is_left_out(gpu_result: Result) -> None:
    few = tuple(point.model_copy(update={"requests": 50}) for point in gpu_result.summary.points)
    summary = gpu_result.summary.model_copy(update={"points": few})
    row = cells(
        section(report(gpu_result.model_copy(update={"summary": summary})), "Latency"), "single, pixels", "onnx"
    )
    assert row[6:8] == ["-", "-"]
    assert float(row[5]) < float(row[8])


def test_a_reason_that_is_the_same_everywhere_is_told_once(gpu_result: Result) -> None:
    alone = {"single-pixels-grpc", "single-encoded-grpc"}
    points = tuple(p for p in gpu_result.summary.points if p.scenario.name not in alone or p.backend == "onnx")
    few = "2 complete rounds; a winner needs 5"
    verdicts = tuple(
        each.model_copy(
            update={
                "winner": None,
                "ahead": {},
                "reason": "nothing to compare with" if each.scenario.name in alone else few,
            }
        )
        for each in gpu_result.summary.verdicts
    )
    summary = gpu_result.summary.model_copy(update={"verdicts": verdicts, "points": points})
    text = section(report(gpu_result.model_copy(update={"summary": summary})), "Results")
    assert text.count(few) == 1
    assert cells(text, "single, pixels", "p50, ms")[5] == "undecided"


CONTESTANT = "Python-based backend, Pillow on the CPU"


def told(result: Result) -> Result:
    backends = tuple(
        each.model_copy(update={"contestant": CONTESTANT}) if each.name == "onnx" else each for each in result.backends
    )
    return result.model_copy(update={"backends": backends, "caution": "Photos of many sizes would turn it."})


def test_what_answered_under_a_name_is_in_the_heading_the_tables_and_before_every_other_warning() -> None:
    text = report(told(synthetic_result(BACKENDS, meaningful=False)))
    onnx = f"onnx ({CONTESTANT})"
    assert text.startswith(f"# CLIP bake-off: tensorrt wins on latency against {onnx}\n")
    warnings = [line for line in text.splitlines() if line.startswith("> ")]
    assert warnings[0] == "> **What was compared:** Photos of many sizes would turn it."
    assert cells(text, "scenario", "figure", "pytorch")[3] == onnx
    assert cells(text, "price of a million images")[1:] == ["pytorch", onnx, "tensorrt"]
    assert cells(section(text, "Latency"), "single, pixels", onnx)
    assert cells(section(text, "Backends"), onnx)


def test_a_winner_and_a_tie_are_named_by_what_they_were() -> None:
    assert report(told(synthetic_result({"pytorch": 4.0, "onnx": 2.0}))).startswith(
        f"# CLIP bake-off: onnx ({CONTESTANT}) wins on latency\n"
    )
    assert report(told(synthetic_result({"pytorch": 4.0, "onnx": 4.0}))).startswith(
        f"# CLIP bake-off: a tie on latency with onnx ({CONTESTANT})\n"
    )


def test_a_name_that_says_enough_has_nothing_beside_it(gpu_result: Result) -> None:
    assert "What was compared" not in report(gpu_result)
    assert "onnx (" not in section(report(gpu_result), "Latency")
