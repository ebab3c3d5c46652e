import numpy as np
import pytest

from bench.scenarios import Scenario
from bench.search import STAIRS, STEP, kept, next_rate, on_grid, outcome, rate, round_rate
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
