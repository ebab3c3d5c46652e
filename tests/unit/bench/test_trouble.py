"""Conclusions and reports of runs in which anything went wrong."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.report import curves, hardware, latencies, markdown, tables
from bench.report.contents import contents
from bench.result import Result
from bench.rounds import Basis
from bench.scenarios import Scenario
from bench.summary import Summary, summarise
from bench.windows import Window
from tests.unit.bench.conftest import MakeResult, window

ROUNDS, BACKENDS = 5, ("pytorch", "onnx")
SCENARIOS = (
    Scenario(kind="single", input="encoded"),
    Scenario(kind="single", input="pixels"),
    Scenario(kind="batch", input="encoded", batch=8),
    Scenario(kind="batch", input="pixels", batch=8),
    Scenario(kind="server", input="pixels", in_flight=None),
)
FATES = ("good", "good", "good", "silent", "failing", "refused", "restarted", "no split")


def windows_of(fates: list[str]) -> tuple[Window, ...]:
    """Return a window of each fate, in turn, for every round, scenario and backend."""
    return tuple(
        made(fates[i % len(fates)], *place)
        for i, place in enumerate((n, s, name) for n in range(1, ROUNDS + 1) for s in SCENARIOS for name in BACKENDS)
    )


def made(fate: str, number: int, scenario: Scenario, backend: str) -> Window:
    seen = [] if fate in ("silent", "refused") else [8.0 + number, 9.0, 12.0]
    found = window(number, scenario, backend, seen, failures={"failing": 1, "refused": 5}.get(fate, 0))
    changes = {"restarted": {"invalid": "the server was restarted during a window"}, "no split": {"split": None}}
    offered = {"offered_per_s": 10.0 * number, "over_bound": found.failures} if scenario.kind == "server" else {}
    return found.model_copy(update={**changes.get(fate, {}), **offered})


def concluded(windows: tuple[Window, ...], price: float | None = None) -> Summary:
    basis = Basis(seed=1, price_per_hour=price)
    return summarise(windows, dict.fromkeys(SCENARIOS, BACKENDS), "throughput", basis)


def with_summary(result: Result, windows: tuple[Window, ...], price: float | None) -> Result:
    summary = concluded(windows, price)
    return result.model_copy(update={"windows": windows, "scenarios": SCENARIOS, "summary": summary})


def test_a_point_without_a_figure_in_one_round_has_failed_and_the_rest_is_concluded() -> None:
    silent = (3, SCENARIOS[2], "onnx")
    windows = tuple(
        made("silent" if place == silent else "good", *place)
        for place in ((n, s, name) for n in range(1, ROUNDS + 1) for s in SCENARIOS for name in BACKENDS)
    )
    found = concluded(windows, price=3.6)
    problems = {(point.scenario, point.backend): point.problem for point in found.points}
    assert {place for place, problem in problems.items() if problem} == {(SCENARIOS[2], "onnx")}
    assert problems[SCENARIOS[2], "onnx"] == "a round without an answer"
    by_scenario = {verdict.scenario: verdict for verdict in found.verdicts}
    assert by_scenario[SCENARIOS[2]].reason == "pytorch alone was free of problems"
    assert by_scenario[SCENARIOS[3]].ahead.keys() <= {"onnx", "pytorch"}
    assert by_scenario[SCENARIOS[3]].ahead
    assert found.winner == "pytorch"
    assert "because pytorch alone was free of problems" in found.decision
    assert found.recommendations["latency"].ahead


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=23), price=st.sampled_from([None, 3.6]))
def test_whatever_went_wrong_the_rest_is_concluded_and_reported(
    make_result: MakeResult, fates: list[str], price: float | None
) -> None:
    result = with_summary(make_result({"pytorch": 8, "onnx": 9}), windows_of(fates), price)
    assert Result.model_validate_json(result.model_dump_json()) == result
    text = markdown.render(contents(result))
    for point in result.summary.points:
        own = [each for each in result.windows if (each.scenario, each.backend) == (point.scenario, point.backend)]
        # In `server` a window may have had no arrival; its round has others.
        wrong = [each for each in own if not each.clean and (each.failures or each.invalid or not point.server)]
        assert (point.problem is not None) >= bool(wrong)
        assert point.percentiles_ms or not any(each.requests for each in own) or point.server
    assert text.startswith("# CLIP bake-off: ")
    tables.latencies(result)
    for draw in (curves.latency_by_rate, curves.throughput_by_batch, latencies.latency_percentiles, hardware.table):
        draw(result)


@pytest.mark.parametrize("fate", ["silent", "refused", "restarted"])
def test_a_run_in_which_nothing_answered_or_counted_has_a_report_without_a_winner(
    make_result: MakeResult, fate: str
) -> None:
    result = with_summary(make_result({"pytorch": 8, "onnx": 9}), windows_of([fate]), 3.6)
    assert result.summary.winner is None
    assert {point.problem is not None for point in result.summary.points} == {True}
    assert not any(np.isnan(value) for point in result.summary.points for value in point.percentiles_ms.values())
    assert "undecided; no backend was free of problems" in markdown.render(contents(result))
