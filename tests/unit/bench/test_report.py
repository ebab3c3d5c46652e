import re

import pytest

from bench.figures import number, ratio
from bench.report import render
from bench.result import Result
from bench.verdicts import Interval
from tests.unit.bench.conftest import MakeResult


def cells(report: str, *starts: str) -> list[str]:
    """Return the cells of the table row that begins with `starts`."""
    for line in report.splitlines():
        row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if row[: len(starts)] == list(starts) and len(row) > len(starts):
            return row
    raise AssertionError(f"no row {starts}")


def section(report: str, title: str) -> str:
    return report.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_decision_comes_first(make_result: MakeResult) -> None:
    lines = render(make_result({"pytorch": 80, "onnx": 40})).splitlines()
    assert lines[0] == "# CLIP bake-off: onnx wins"
    assert lines[2] == "**onnx wins all 4 scenarios.**"


def test_each_scenario_names_its_winner_and_the_margin(make_result: MakeResult) -> None:
    row = cells(render(make_result({"pytorch": 80, "onnx": 40})), "pixels, batch 8")
    assert row[1:3] == ["**onnx**", "onnx"]
    assert re.fullmatch(r"(2\.0\d|1\.9\d)x pytorch \(1\.9\d to 2\.0\d\)", row[3])


def test_backends_alike_are_a_tie(make_result: MakeResult) -> None:
    report = render(make_result({"pytorch": 40, "onnx": 40}))
    assert report.startswith("# CLIP bake-off: a tie\n")
    assert cells(report, "pixels, batch 1")[1] == "tie"


def test_a_lone_backend_is_not_called_a_winner(make_result: MakeResult) -> None:
    report = render(make_result({"onnx": 40}))
    assert report.startswith("# CLIP bake-off: onnx alone\n\n**Only onnx was ready; nothing to compare.**")
    assert "wins" not in report.split("## Method")[0]
    assert "## Agreement" not in report


def test_throughput_latency_and_split(make_result: MakeResult) -> None:
    report = render(make_result({"pytorch": 80, "onnx": 40}))
    speeds = cells(section(report, "Throughput"), "pixels, batch 8")
    assert re.fullmatch(r"12\.\d \(12\.\d to 12\.\d\)", speeds[1])
    assert re.fullmatch(r"2[45]\.\d \(2[45]\.\d to 2[45]\.\d\)", speeds[2])
    latency = cells(section(report, "Latency"), "pixels, batch 1", "onnx")
    assert latency[2:4] == ["10", "0"]
    assert 39 < float(latency[4]) < 41
    assert "the p99 is the slowest one" in section(report, "Latency")
    queue, given, infer, output, rest, server, outside = map(
        float, cells(section(report, "Where the time goes"), "pixels, batch 1", "onnx")[2:]
    )
    assert (queue, given, infer, output) == pytest.approx((4, 8, 16, 4), rel=0.02)
    assert queue + given + infer + output + rest == pytest.approx(server, abs=0.03)
    assert server + outside == pytest.approx(40, rel=0.02)


def test_random_weights_are_announced_before_any_figure(make_result: MakeResult) -> None:
    report = render(make_result({"pytorch": 80, "onnx": 40}, meaningful=False))
    before_figures = report.split("| scenario")[0]
    assert "Random weights: the embeddings mean nothing; the speeds are real." in before_figures
    assert "the hub could not be reached" in before_figures
    assert "Random weights" not in render(make_result({"pytorch": 80, "onnx": 40}))


def test_failures_are_announced_and_cost_the_win(make_result: MakeResult) -> None:
    report = render(make_result({"pytorch": 80, "onnx": 40}, failing={"onnx": 3}))
    assert "> **onnx, pixels, batch 1: 3 of 13 requests failed.** It cannot win there. `out of memory`" in report
    assert cells(report, "pixels, batch 1")[1] == "**pytorch**"
    assert cells(section(report, "Throughput"), "pixels, batch 1")[2].endswith("!")
    assert (
        "**onnx wins 3 of 4 scenarios, pytorch 1, 1 of these by default, because the others had problems.**" in report
    )
    assert cells(report, "pixels, batch 1")[3] == "pytorch alone was free of problems"


def test_disagreement_is_announced_and_shown(make_result: MakeResult) -> None:
    report = render(make_result({"pytorch": 80, "onnx": 40}, disagreeing={"onnx"}))
    assert "> **onnx disagrees:**" in report
    assert cells(report, "onnx and pytorch", "pixels")[2] == "0.5 **disagrees**"


def test_agreement_is_shown_before_and_after(make_result: MakeResult) -> None:
    row = cells(render(make_result({"pytorch": 80, "onnx": 40})), "onnx and pytorch", "pixels")
    assert row[2:] == ["0.0012 agrees", "0.0012 agrees", "0.002", "0.999990"]


def test_a_skipped_backend_has_its_reason(make_result: MakeResult) -> None:
    report = render(make_result({"pytorch": 80, "onnx": 40}))
    assert cells(report, "tensorrt")[1:] == ["-", "skipped", r"no NVIDIA GPU \| none at all"]


def test_an_interrupted_run_says_so_and_names_no_winner(make_result: MakeResult) -> None:
    report = render(make_result({"pytorch": 80, "onnx": 40}, rounds=3, interrupted=True))
    assert "**Interrupted:** 3 of 5 rounds are complete and count." in report
    assert report.startswith("# CLIP bake-off: undecided\n\n**Undecided: 3 complete rounds; a winner needs 5.**")
    assert cells(report, "pixels, batch 1")[1] == "undecided"
    assert "(" not in cells(section(report, "Throughput"), "pixels, batch 1")[1]


@pytest.mark.parametrize("failing", [{}, {"pytorch": 1}])
def test_other_clients_at_work_are_announced_even_where_requests_failed(
    make_result: MakeResult, failing: dict[str, int]
) -> None:
    result = make_result({"pytorch": 80, "onnx": 40}, failing=failing)
    assert "other clients" not in render(result)
    windows = list(result.windows)
    at = next(i for i, w in enumerate(windows) if w.backend == "pytorch" and w.scenario.name == "pixels-b1")
    split = windows[at].split
    assert split is not None
    windows[at] = windows[at].model_copy(update={"split": split.model_copy(update={"requests": 9})})
    assert "the server counted 7 requests that the benchmark did not send" in render(
        result.model_copy(update={"windows": tuple(windows)})
    )


def test_the_weights_that_were_used_are_named_and_not_only_those_asked_for(make_result: MakeResult) -> None:
    result = make_result({"pytorch": 80, "onnx": 40})
    model = {**result.model, "pretrained": "openai", "source": "random"}
    report = render(result.model_copy(update={"model": model}))
    assert cells(section(report, "Conditions"), "weights")[1] == "random (asked for: openai)"


def test_a_result_survives_its_file(make_result: MakeResult) -> None:
    result = make_result({"pytorch": 80, "onnx": 40}, failing={"onnx": 3})
    again = Result.model_validate_json(result.model_dump_json())
    assert again == result
    assert render(again) == render(result)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (4118.2, "4,120"),
        (412.4, "412"),
        (41.18, "41.2"),
        (9.999, "10.0"),
        (4.118, "4.12"),
        (0.04118, "0.0412"),
    ],
)
def test_numbers_have_three_figures(value: float, text: str) -> None:
    assert number(value) == text


def test_ratios_say_to_what() -> None:
    assert ratio(Interval(value=1.423, low=1.3, high=1.5), "onnx") == "1.42x onnx (1.30 to 1.50)"
