import numpy as np
import pytest

from bench.scenarios import Scenario
from bench.search import STAIRS, STEP, counting_rate, kept, kept_any, next_rate, on_grid, outcome, rate, round_rate
from bench.windows import Window
from tests.unit.bench.conftest import window

SERVER = Scenario(kind="server", input="pixels", in_flight=None)


def tried(per_s: float, requests: int, over: int, number: int = 1, failures: int = 0) -> Window:
    return window(number, SERVER, "a", [10.0] * requests, failures, offered_per_s=per_s, over_bound=over)


def climb(limit_per_s: float, begin: int) -> list[Window]:
    windows: list[Window] = []
    for _ in STAIRS:
        per_s = rate(next_rate(windows, begin))
        windows.append(tried(per_s, 200, 0 if per_s <= limit_per_s else 100))
    return windows


@pytest.mark.parametrize("begin_per_s", [70.0, 100.0, 130.0])
def test_a_staircase_comes_within_a_step_of_the_limit(begin_per_s: float) -> None:
    assert round_rate(climb(100, on_grid(begin_per_s))) == pytest.approx(100, rel=2 * (STEP - 1))


def test_later_rounds_reach_a_limit_that_is_far_away() -> None:
    begin = on_grid(20)
    for _ in range(6):
        begin = on_grid(round_rate(climb(100, begin)))
    assert rate(begin) == pytest.approx(100, rel=STEP - 1)


def test_rates_are_on_one_grid() -> None:
    assert [on_grid(rate(number)) for number in range(-20, 200, 7)] == list(range(-20, 200, 7))


def test_a_window_is_kept_with_one_percent_over_at_most() -> None:
    assert [kept(tried(1, 200, over)) for over in (0, 2, 3)] == [True, True, False]
    assert not kept(tried(1, 200, 3, failures=3))
    assert not kept(tried(1, 0, 0))


def test_a_rate_above_one_that_failed_does_not_count() -> None:
    assert round_rate([tried(10, 200, 0), tried(20, 200, 50), tried(30, 200, 0)]) == 10
    assert round_rate([tried(10, 200, 50)]) == pytest.approx(10 / STEP)


def test_windows_of_a_rate_add_up_over_the_rounds() -> None:
    few = [tried(10, 200, 0, number) for number in (1, 2)]
    assert outcome(few, 50).status == "insufficient"
    found = outcome([*few, tried(10, 200, 0, 3), tried(20, 200, 9, 3)], 50)
    assert (found.highest_per_s, found.status, found.needed) == (10, "valid", 459)
    assert [(each.requests, each.over, each.passes) for each in found.rates] == [(600, 0, True), (200, 9, False)]


def test_a_backend_that_keeps_the_bound_at_no_rate_has_none() -> None:
    found = outcome([tried(10, 200, 200)], 50)
    assert (found.highest_per_s, found.status) == (None, "none")


def test_requests_that_fail_are_over_the_bound() -> None:
    found = outcome([tried(10, 600, 20, failures=20)], 50)
    assert found.rates[0].requests == 620
    assert found.rates[0].passes is False
    assert np.isfinite(found.rates[0].p99_ms or np.nan)


def test_of_several_passing_rates_the_highest_counts() -> None:
    found = outcome([tried(per_s, 600, 0) for per_s in (20, 10, 30)] + [tried(40, 600, 60)], 50)
    assert [each.passes for each in found.rates] == [True, True, True, False]
    assert (found.highest_per_s, found.status) == (30, "valid")


def test_no_rate_above_one_that_was_refuted_passes_for_the_highest() -> None:
    found = outcome([tried(10, 600, 0), tried(20, 600, 60), tried(30, 600, 0)], 50)
    assert [each.passes for each in found.rates] == [True, False, True]
    assert (found.highest_per_s, found.status) == (10, "valid")
    found = outcome([tried(20, 600, 60), tried(30, 600, 0)], 50)
    assert (found.highest_per_s, found.status) == (None, "none")


def test_a_rate_that_could_not_be_decided_does_not_hide_a_higher_one_that_passes() -> None:
    found = outcome([tried(10, 90, 0), tried(20, 600, 0), tried(30, 600, 60)], 50)
    assert [each.passes for each in found.rates] == [None, True, False]
    assert (found.highest_per_s, found.status) == (20, "valid")


def test_only_a_lowest_rate_that_was_refuted_means_that_there_is_none() -> None:
    assert outcome([tried(10, 200, 0), tried(20, 200, 50)], 50).status == "insufficient"
    assert outcome([], 50).status == "insufficient"


@pytest.mark.parametrize(
    ("requests", "over", "passes"),
    [(99, 50, None), (100, 1, None), (100, 2, False), (200, 2, None), (200, 3, False), (458, 0, None), (459, 0, True)],
)
def test_a_rate_is_refuted_from_a_hundred_requests_on_by_more_than_one_in_a_hundred(
    requests: int, over: int, passes: bool | None
) -> None:
    assert outcome([tried(10, requests, over)], 50).rates[0].passes is passes


def test_the_latencies_of_a_search_are_those_of_the_highest_passing_rate() -> None:
    windows = [tried(per_s, 600, 0, number) for number in (1, 2, 3) for per_s in (10, 20)]
    assert counting_rate(windows, outcome(windows, 50)) == 20


def test_without_a_passing_rate_the_latencies_are_those_nearest_to_the_middle_of_the_rounds() -> None:
    per_round = {1: 10, 2: 20, 3: 40}
    windows = [tried(per_s, 150, 0, number) for number, per_s in per_round.items()]
    windows += [tried(80, 150, 100, number) for number in per_round]
    found = outcome(windows, 50)
    assert found.highest_per_s is None
    assert counting_rate(windows, found) == 20


def test_a_round_measured_something_where_its_lowest_rate_was_kept() -> None:
    assert kept_any([tried(20, 200, 50), tried(10, 200, 0)])
    assert not kept_any([tried(20, 200, 0), tried(10, 200, 50)])
