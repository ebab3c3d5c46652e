from hypothesis import given
from hypothesis import strategies as st

from bench.scenarios import Scenario, scenarios
from bench.schedule import SHORTEST_WINDOW_S, expected_window_s, fitting_window_s, schedule

BACKENDS = ["pytorch", "onnx", "tensorrt"]
SCENARIOS = scenarios(128)


def test_quick_scenarios_cover_both_inputs_at_one_and_eight() -> None:
    assert [scenario.name for scenario in SCENARIOS] == ["encoded-b1", "encoded-b8", "pixels-b1", "pixels-b8"]


def test_scenarios_stay_within_what_the_server_takes() -> None:
    assert {scenario.batch for scenario in scenarios(4)} == {1}


@given(seed=st.integers(0, 2**32), rounds=st.integers(1, 8), count=st.integers(1, 3))
def test_every_point_comes_once_a_round_and_a_scenario_s_backends_follow_each_other(
    seed: int, rounds: int, count: int
) -> None:
    backends = BACKENDS[:count]
    plan = schedule(backends, SCENARIOS, rounds, seed)
    assert len(plan) == rounds
    for number, slots in enumerate(plan):
        assert sorted((s.scenario.name, s.backend) for s in slots) == sorted(
            (scenario.name, backend) for scenario in SCENARIOS for backend in backends
        )
        assert {slot.round for slot in slots} == {number}
        for start in range(0, len(slots), count):
            assert len({slot.scenario for slot in slots[start : start + count]}) == 1


def test_the_seed_decides_the_order() -> None:
    assert schedule(BACKENDS, SCENARIOS, 5, 7) == schedule(BACKENDS, SCENARIOS, 5, 7)
    assert schedule(BACKENDS, SCENARIOS, 5, 7) != schedule(BACKENDS, SCENARIOS, 5, 8)


def test_every_backend_goes_first_about_equally_often() -> None:
    scenario = [Scenario(input="pixels", batch=1)]
    first = [slots[0].backend for slots in schedule(BACKENDS, scenario, 600, 1)]
    assert all(150 < first.count(backend) < 250 for backend in BACKENDS)


@given(
    budget_s=st.floats(5, 500),
    rounds=st.integers(1, 10),
    request_s=st.lists(st.floats(0.0005, 1), min_size=1, max_size=12),
    min_requests=st.integers(1, 10),
)
def test_windows_fill_the_budget_and_no_more(
    budget_s: float, rounds: int, request_s: list[float], min_requests: int
) -> None:
    def total_s(window_s: float) -> float:
        return rounds * sum(expected_window_s(window_s, each, min_requests) for each in request_s)

    window_s = fitting_window_s(budget_s, rounds, request_s, min_requests)
    if total_s(SHORTEST_WINDOW_S) > budget_s:
        assert abs(window_s - SHORTEST_WINDOW_S) < 1e-6
    else:
        assert total_s(window_s) <= budget_s < total_s(window_s + 0.001)


def test_no_time_left_gives_the_shortest_window() -> None:
    assert fitting_window_s(-3.0, 2, [0.1], 2) == SHORTEST_WINDOW_S
