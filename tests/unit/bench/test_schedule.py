import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scenarios import Scenario
from bench.schedule import LONGEST_WINDOW_S, SHORTEST_WINDOW_S, fitting_window_s, schedule
from bench.table import scenarios

BACKENDS = ["pytorch", "onnx", "tensorrt"]
SCENARIOS = scenarios(("single", "batch"), ("http",), 128, on_gpu=False, quick=True)


@given(seed=st.integers(0, 2**32), rounds=st.integers(1, 8), count=st.integers(1, 3))
def test_every_point_comes_once_a_round_and_a_scenario_s_backends_follow_each_other(
    seed: int, rounds: int, count: int
) -> None:
    backends = BACKENDS[:count]
    plan = schedule(dict.fromkeys(SCENARIOS, backends), rounds, seed)
    assert len(plan) == rounds
    for number, slots in enumerate(plan):
        assert sorted((s.scenario.name, s.backend) for s in slots) == sorted(
            (scenario.name, backend) for scenario in SCENARIOS for backend in backends
        )
        assert {slot.round for slot in slots} == {number}
        for start in range(0, len(slots), count):
            assert len({slot.scenario for slot in slots[start : start + count]}) == 1


def test_the_seed_decides_the_order() -> None:
    points = dict.fromkeys(SCENARIOS, BACKENDS)
    assert schedule(points, 5, 7) == schedule(points, 5, 7)
    assert schedule(points, 5, 7) != schedule(points, 5, 8)


def test_a_resumed_run_has_the_same_rounds() -> None:
    points = dict.fromkeys(SCENARIOS, BACKENDS)
    assert schedule(points, 9, 7)[:5] == schedule(points, 5, 7)


def test_every_backend_goes_first_about_equally_often() -> None:
    points = {Scenario(kind="single", input="pixels"): BACKENDS}
    first = [slots[0].backend for slots in schedule(points, 600, 1)]
    assert all(150 < first.count(backend) < 250 for backend in BACKENDS)


@given(budget_s=st.floats(0.1, 500), count=st.integers(1, 50), request_s=st.floats(0.0005, 1))
def test_windows_fill_the_budget_and_no_more(budget_s: float, count: int, request_s: float) -> None:
    def total_s(window_s: float) -> float:
        return count * max(window_s, 3 * request_s)

    window_s = fitting_window_s(budget_s, total_s)
    assert SHORTEST_WINDOW_S <= window_s <= LONGEST_WINDOW_S
    if total_s(SHORTEST_WINDOW_S) <= budget_s:
        assert total_s(window_s) <= budget_s
    if window_s < LONGEST_WINDOW_S:
        assert total_s(window_s + 0.001) > budget_s


def test_no_time_left_gives_the_shortest_window() -> None:
    assert fitting_window_s(-3.0, lambda window_s: window_s) == SHORTEST_WINDOW_S


def test_time_that_is_taken_to_the_last_second_fits() -> None:
    assert fitting_window_s(7 * LONGEST_WINDOW_S, lambda seconds: 7 * seconds) == LONGEST_WINDOW_S
    steps = fitting_window_s(60.0, lambda seconds: 60.0 if seconds < 1 else 90.0)
    assert steps == pytest.approx(1, abs=1e-6)
