import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.scenarios import Scenario
from bench.verdicts import Interval, Verdict, decide, median_interval, point, speed_ratio, verdict
from tests.unit.bench.conftest import MakeResult, window

SCENARIO = Scenario(input="pixels", batch=1)


def rounds(mean: float, seed: int, count: int = 5, noise: float = 0.02) -> list[float]:
    return list(mean * np.exp(np.random.default_rng(seed).normal(0, noise, count)))


def judge(problems: dict[str, str] | None = None, **throughputs: list[float]) -> Verdict:
    return verdict(SCENARIO, throughputs, problems or {})


def test_identical_backends_tie_in_at_least_19_of_20_runs() -> None:
    runs = 400
    ties = sum(judge(a=rounds(100, 2 * i), b=rounds(100, 2 * i + 1)).winner is None for i in range(runs))
    assert ties >= 0.95 * runs - 2 * np.sqrt(runs * 0.95 * 0.05)


def test_a_ten_percent_slower_backend_loses_in_at_least_19_of_20_runs() -> None:
    runs = 200
    wins = sum(judge(a=rounds(110, 2 * i), b=rounds(100, 2 * i + 1)).winner == "a" for i in range(runs))
    assert wins >= 0.95 * runs


def test_a_slow_drift_that_both_meet_does_not_hide_the_difference() -> None:
    drift = np.array([1.0, 0.8, 0.6, 0.9, 0.7])
    found = judge(a=list(103 * drift), b=list(100 * drift * [1, 1.001, 0.999, 1, 1.002]))
    assert found.winner == "a"
    assert found.ahead["b"].value == pytest.approx(1.03, abs=0.002)


def test_a_winner_is_ahead_of_every_other_backend() -> None:
    found = judge(a=rounds(100, 1), b=rounds(100, 2), c=rounds(50, 3))
    assert found.winner is None
    assert {name for name, ahead in found.ahead.items() if ahead.low > 1} == {"c"}


def test_errors_never_win_however_fast() -> None:
    found = judge({"fast": "1 of 10 requests failed"}, fast=rounds(1000, 1), slow=rounds(10, 2), slower=rounds(5, 3))
    assert (found.winner, set(found.ahead)) == ("slow", {"slower"})


def test_one_backend_without_errors_is_ahead_of_those_with_them() -> None:
    found = judge({"fast": "1 of 10 requests failed"}, fast=rounds(1000, 1), slow=rounds(10, 2))
    assert (found.winner, found.reason) == ("slow", "slow alone was free of problems")


def test_all_in_error_have_no_winner() -> None:
    assert judge({"a": "x", "b": "y"}, a=[1.0] * 5, b=[2.0] * 5).winner is None


def test_fewer_than_five_rounds_name_no_winner() -> None:
    found = judge(a=[100.0] * 4, b=[1.0] * 4)
    assert (found.winner, found.reason) == (None, "4 complete rounds; a winner needs 5")


def test_one_backend_has_nothing_to_compare_with() -> None:
    assert judge(a=[100.0] * 5).winner is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 1e4), st.floats(1, 1e4)), min_size=5, max_size=12))
def test_turning_a_comparison_around_inverts_it(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = zip(*pairs, strict=True)
    there, back = speed_ratio(ours, theirs), speed_ratio(theirs, ours)
    assert back.value == pytest.approx(1 / there.value)
    assert there.low <= there.value * (1 + 1e-9)
    assert there.value <= there.high * (1 + 1e-9)


@pytest.mark.parametrize("bad", [[1.0] * 4, [0.0, 1, 1, 1, 1]])
def test_ratios_of_too_few_or_no_answers_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="5 or more rounds"):
        speed_ratio(bad, bad)


def test_the_interval_is_student_s() -> None:
    logs = np.array([0.10, 0.12, 0.08, 0.11, 0.09])
    found = speed_ratio(list(np.exp(logs)), [1.0] * 5)
    reach = 2.776445 * 0.0158114 / np.sqrt(5)  # the 97.5 % quantile of t with 4 degrees of freedom; the deviation
    assert np.log([found.low, found.value, found.high]) == pytest.approx([0.10 - reach, 0.10, 0.10 + reach], rel=1e-5)


def test_the_interval_of_a_median_of_five_is_their_range() -> None:
    assert median_interval([5.0, 1.0, 4.0, 2.0, 3.0], seed=1) == (1, 5)


def test_percentiles_are_latencies_that_were_seen() -> None:
    each = window(1, SCENARIO, "a", 1.0).model_copy(update={"latencies_ms": tuple(float(i) for i in range(1, 101))})
    found = point([each], disagrees=False, seed=1)
    assert (found.p50_ms, found.p95_ms, found.p99_ms, found.requests) == (50, 95, 99, 100)


def test_a_point_s_problem_is_its_failures_its_restart_or_its_disagreement() -> None:
    good, failing = window(1, SCENARIO, "a", 5.0), window(2, SCENARIO, "a", 5.0, failures=2)
    restarted = good.model_copy(update={"invalid": "restarted"})
    assert point([good, good], disagrees=False, seed=1).problem is None
    assert point([good, failing], disagrees=True, seed=1).problem == "2 of 6 requests failed"
    assert point([good, restarted], disagrees=False, seed=1).problem == "restarted"
    assert point([good], disagrees=True, seed=1).problem == "its embeddings are not those of the others"


def test_a_window_without_any_answer_has_no_throughput() -> None:
    silent = window(1, SCENARIO, "a", 5.0, failures=5).model_copy(update={"latencies_ms": (), "split": None})
    found = point([silent], disagrees=False, seed=1)
    assert (found.images_per_s, found.p99_ms, found.split) == (None, None, None)


def test_a_few_rounds_have_a_median_but_no_interval() -> None:
    found = point([window(i, SCENARIO, "a", 10.0 * i) for i in (1, 2, 4)], disagrees=False, seed=1)
    assert (found.images_per_s, found.interval) == (50, None)


def won(*winners: str | None, by_default: bool = False) -> list[Verdict]:
    ahead = {} if by_default else {"other": Interval(value=2, low=1.5, high=2.5)}
    return [Verdict(scenario=SCENARIO, winner=w, leader=w or "onnx", ahead=ahead, reason=None) for w in winners]


@pytest.mark.parametrize(
    ("winners", "overall", "words"),
    [
        (("onnx", "onnx", "onnx", "pytorch"), "onnx", "onnx wins 3 of 4 scenarios, pytorch 1."),
        (("onnx", "onnx", "onnx", "onnx"), "onnx", "onnx wins all 4 scenarios."),
        (("onnx", "onnx", None, "pytorch"), "onnx", "onnx wins 2 of 4 scenarios, pytorch 1; 1 is a tie."),
        (("onnx", None, None, None), "onnx", "onnx wins 1 of 4 scenarios; 3 are ties."),
        (("onnx", "pytorch", None, None), None, "Tie: pytorch and onnx win 1 of 4 scenarios each; 2 are ties."),
        ((None, None), None, "Tie in all 2 scenarios: the rounds do not separate the backends."),
    ],
)
def test_the_decision_follows_from_the_numbers(
    winners: tuple[str | None, ...], overall: str | None, words: str
) -> None:
    assert decide(won(*winners), ["pytorch", "onnx"]) == (overall, words)


def test_a_win_by_default_is_called_that() -> None:
    winner, words = decide([*won("onnx"), *won("onnx", by_default=True)], ["pytorch", "onnx"])
    assert winner == "onnx"
    assert words == "onnx wins all 2 scenarios, 1 of these by default, because the others had problems."


def test_a_lone_backend_has_no_decision() -> None:
    assert decide(won(None), ["onnx"]) == (None, "Only onnx was ready; nothing to compare.")


def test_a_backend_that_disagrees_cannot_win_anything(make_result: MakeResult) -> None:
    summary = make_result({"pytorch": 80, "onnx": 40}, disagreeing={"onnx"}).summary
    assert summary.winner == "pytorch"
    assert {each.winner for each in summary.verdicts} == {"pytorch"}
