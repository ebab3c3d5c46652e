import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.intervals import Interval, median_interval, paired_ratio
from bench.scenarios import Scenario
from bench.verdicts import Verdict, excludes_a_tie, leading, verdict

SCENARIO = Scenario(kind="single", input="pixels")


def rounds(mean: float, seed: int, count: int = 5, noise: float = 0.02) -> list[float]:
    return list(mean * np.exp(np.random.default_rng(seed).normal(0, noise, count)))


def judge(problems: dict[str, str] | None = None, bound: tuple[str, ...] = (), **scores: list[float]) -> Verdict:
    return verdict(SCENARIO, scores, problems or {}, bound)


def test_identical_backends_tie_in_at_least_19_of_20_runs() -> None:
    runs = 400
    ties = sum(judge(a=rounds(100, 2 * i), b=rounds(100, 2 * i + 1)).winner is None for i in range(runs))
    assert ties >= 0.98 * runs


def test_a_ten_percent_slower_backend_loses_in_at_least_19_of_20_runs() -> None:
    runs = 200
    wins = sum(judge(a=rounds(110, 2 * i), b=rounds(100, 2 * i + 1)).winner == "a" for i in range(runs))
    assert wins >= 0.95 * runs


def test_a_slow_drift_that_both_meet_does_not_hide_the_difference() -> None:
    drift = np.array([1.0, 0.8, 0.6, 0.9, 0.7])
    found = judge(a=list(103 * drift), b=list(100 * drift * [1, 1.001, 0.999, 1, 1.002]))
    assert found.winner == "a"
    assert found.ahead["b"].value == pytest.approx(1.03, abs=0.002)


def test_a_sure_but_small_lead_is_a_tie() -> None:
    found = judge(a=[101.0, 101.1, 101.0, 100.9, 101.0], b=[100.0] * 5)
    assert found.ahead["b"].low > 1
    assert found.winner is None


@pytest.mark.parametrize(
    ("lead", "wins"),
    [((1.05, 1.01, 1.09), True), ((1.05, 0.99, 1.11), False), ((1.01, 1.005, 1.015), False)],
)
def test_a_lead_wins_when_it_is_sure_and_large_enough(lead: tuple[float, float, float], wins: bool) -> None:
    assert excludes_a_tie(Interval(value=lead[0], low=lead[1], high=lead[2])) is wins


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


def test_nobody_wins_against_a_backend_that_the_client_held_back() -> None:
    found = judge(bound=("b",), a=rounds(200, 1), b=rounds(100, 2))
    assert (found.winner, found.leader, found.reason) == (None, "a", "the client was the limit of b")
    assert judge(bound=("a",), a=rounds(200, 1), b=rounds(100, 2)).winner == "a"


def test_all_in_error_have_no_winner() -> None:
    assert judge({"a": "x", "b": "y"}, a=[1.0] * 5, b=[2.0] * 5).winner is None


def test_fewer_than_five_rounds_name_no_winner() -> None:
    found = judge(a=[100.0] * 4, b=[1.0] * 4)
    assert (found.winner, found.reason) == (None, "4 complete rounds; a winner needs 5")


def test_one_backend_has_nothing_to_compare_with() -> None:
    assert judge(a=[100.0] * 5).reason == "nothing to compare with"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 1e4), st.floats(1, 1e4)), min_size=5, max_size=12))
def test_turning_a_comparison_around_inverts_it(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = zip(*pairs, strict=True)
    there, back = paired_ratio(ours, theirs), paired_ratio(theirs, ours)
    assert back.value == pytest.approx(1 / there.value)
    assert there.low <= there.value * (1 + 1e-9)
    assert there.value <= there.high * (1 + 1e-9)


@pytest.mark.parametrize("bad", [[1.0] * 4, [0.0, 1, 1, 1, 1]])
def test_ratios_of_too_few_or_no_answers_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="5 or more rounds"):
        paired_ratio(bad, bad)


def test_the_interval_is_student_s() -> None:
    logs = np.array([0.10, 0.12, 0.08, 0.11, 0.09])
    found = paired_ratio(list(np.exp(logs)), [1.0] * 5)
    reach = 4.604095 * 0.0158114 / np.sqrt(5)  # the 99.5 % quantile of t with 4 degrees of freedom; the deviation
    assert np.log([found.low, found.value, found.high]) == pytest.approx([0.10 - reach, 0.10, 0.10 + reach], rel=1e-5)


def test_the_interval_of_a_median_of_five_is_their_range() -> None:
    assert median_interval([5.0, 1.0, 4.0, 2.0, 3.0], seed=1) == (1, 5)


def test_how_many_rounds_there_were_is_told() -> None:
    found = judge(a=[100.0], b=[1.0])
    assert (found.winner, found.leader, found.ahead) == (None, "a", {})
    assert found.reason == "1 complete round; a winner needs 5"
    assert judge(a=[100.0] * 5, b=[1.0] * 5).winner == "a"


def test_all_that_the_client_held_back_are_named() -> None:
    found = judge(bound=("c", "b"), a=rounds(200, 1), b=rounds(100, 2), c=rounds(90, 3), d=rounds(80, 4))
    assert (found.winner, found.reason) == (None, "the client was the limit of b, c")


def test_without_anybody_sound_nobody_leads() -> None:
    found = judge({"a": "x", "b": "y"}, a=[1.0] * 5, b=[2.0] * 5)
    assert (found.scenario, found.leader, found.ahead) == (SCENARIO, None, {})
    assert found.reason == "no backend was free of problems"


def test_a_winner_needs_no_reason_and_tells_its_lead() -> None:
    found = judge(a=rounds(100, 1), b=rounds(50, 2))
    assert (found.scenario, found.winner, found.leader, found.reason) == (SCENARIO, "a", "a", None)
    assert found.ahead == {"b": paired_ratio(rounds(100, 1), rounds(50, 2))}


def test_the_geometric_mean_leads_and_who_has_no_figures_is_last() -> None:
    assert leading({"b": [], "a": [4.0, 4.0], "c": [1.0, 15.0]}) == "a"
    assert leading({"a": [0.5, 0.5], "b": [0.4, 0.6]}) == "a"
    assert leading({"a": [], "b": [0.01]}) == "b"


@pytest.mark.parametrize(
    ("lead", "wins"),
    [((1.02, 1.001, 1.04), True), ((1.0199, 1.01, 1.03), False), ((1.5, 1.0, 2.25), False)],
)
def test_a_lead_of_two_percent_is_enough_and_one_that_may_be_none_is_not(
    lead: tuple[float, float, float], wins: bool
) -> None:
    assert excludes_a_tie(Interval(value=lead[0], low=lead[1], high=lead[2])) is wins
