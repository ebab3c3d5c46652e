"""What is left out when the time is short."""

from collections.abc import Callable

import pytest

from bench.pace import THIN_BELOW_S, Pace, search_s
from bench.scenarios import Scenario
from bench.schedule import Slot
from bench.table import scenarios
from tests.unit.bench.conftest import window

POINTS = dict.fromkeys(scenarios(("single", "batch"), ("http",), 128, on_gpu=False, quick=False), ("one", "other"))
ROUNDS = 5


def learnt(image_ms: Callable[[int], float]) -> Pace:
    """Return the pace of backends that take `image_ms(batch)` for each image of a request."""
    pace = Pace()
    for scenario, names in POINTS.items():
        for name in names:
            seen = window(1, scenario, name, image_ms(scenario.batch) * scenario.batch)
            pace.learn(seen, 0.0, THIN_BELOW_S)
    return pace


def batches(kept: dict[Scenario, tuple[str, ...]]) -> list[int]:
    return [each.batch for each in kept if each.input == "pixels"]


def kept(pace: Pace, remaining_s: float) -> list[int]:
    return batches(pace.thin(POINTS, ROUNDS, remaining_s))  # type: ignore[arg-type]


def test_nothing_is_left_out_while_there_is_time() -> None:
    assert kept(learnt(lambda _: 50), 3600) == [1, 2, 4, 8, 16, 32, 64, 128]


def test_a_slow_machine_leaves_the_largest_batches_out_and_keeps_the_curve() -> None:
    assert kept(learnt(lambda _: 50), 300) == [1, 2, 4, 8, 16]


def test_a_fast_machine_keeps_both_ends_of_the_curve() -> None:
    assert kept(learnt(lambda batch: 2 / batch), 150) == [1, 2, 8, 32, 128]


def test_when_nothing_fits_one_batch_is_left() -> None:
    assert kept(learnt(lambda _: 50), 1) == [1, 8]


SINGLE = Scenario(kind="single", input="pixels")
SERVER = Scenario(kind="server", input="pixels", in_flight=None)
AROUND_S = 0.25


def paced(*seen: tuple[Scenario, str, float]) -> Pace:
    """Return the pace of points whose requests take so many milliseconds, and whose windows 0.25 s more than their load."""
    pace = Pace()
    for scenario, name, ms in seen:
        turns = -(-3 // (scenario.in_flight or 1))
        request_s = ms / 1e3
        load_s = max(0.1, request_s) + max(1.0, turns * request_s) + request_s / (1 if turns < 3 else 2)
        pace.learn(window(1, scenario, name, ms), load_s + AROUND_S, 1.0)
    return pace


def batch(images: int, **others: str) -> Scenario:
    return Scenario.model_validate({"kind": "batch", "input": "pixels", "batch": images, **others})


@pytest.mark.parametrize(
    ("in_flight", "ms", "load_s"),
    [
        (1, 40, 0.1 + 2.0 + 0.02),  # settling, the window, half a request on average until the last has come
        (1, 400, 0.4 + 2.0 + 0.2),  # the first request takes longer than settling
        (1, 2000, 2.0 + 6.0 + 1.0),  # three requests take longer than the window
        (2, 2000, 2.0 + 4.0 + 2.0),  # two turns have three requests; the last of several in flight is a whole one
        (4, 2000, 2.0 + 2.0 + 2.0),
        (4, 40, 0.1 + 2.0 + 0.04),
    ],
)
def test_a_turn_is_settling_the_window_and_what_comes_around_it(in_flight: int, ms: float, load_s: float) -> None:
    scenario = Scenario(kind="concurrency", input="pixels", in_flight=in_flight)
    pace = paced((scenario, "a", ms))
    assert pace.knows(scenario, "a")
    assert not pace.knows(scenario, "b")
    assert not pace.knows(SINGLE, "a")
    assert pace.window_s(scenario, "a", 2.0) == pytest.approx(load_s + AROUND_S, abs=1e-3)


def test_what_comes_around_a_window_is_the_median_seen_of_the_point_and_else_of_all() -> None:
    pace = Pace()
    assert pace.window_s(SINGLE, "a", 2.0) == pytest.approx(0.1 + 2.0 + 0.1), "nothing was seen of anything"
    for around_s in (0.2, 0.3, 7.0):
        pace.learn(window(1, SINGLE, "a", []), 0.1 + 1.0 + around_s, 1.0)
    pace.learn(window(1, SINGLE, "b", []), 0.5, 1.0)  # sooner than was asked: nothing around it
    assert pace.window_s(SINGLE, "a", 2.0) == pytest.approx(0.1 + 2.0 + 0.3)
    assert pace.window_s(SINGLE, "b", 2.0) == pytest.approx(0.1 + 2.0)
    assert pace.window_s(SINGLE, "c", 2.0) == pytest.approx(0.1 + 2.0 + 0.25), "of 0, 0.2, 0.3 and 7"


def test_a_silent_window_does_not_take_the_latency_away() -> None:
    pace = paced((SINGLE, "a", 4000))
    pace.learn(window(2, SINGLE, "a", []), 15.0, 1.0)
    assert pace.window_s(SINGLE, "a", 1.0) > 4 + 12 + 2


def test_a_search_is_four_windows_long_enough_for_its_arrivals() -> None:
    pace = Pace()
    pace.learn(window(1, SERVER, "a", 4.0), 0.1 + 1.0 + AROUND_S, 1.0)
    assert pace.window_s(SERVER, "a", 1.5) == pytest.approx(4 * (0.1 + 3.0 + AROUND_S)), "no rate is known"
    pace.per_s[SERVER, "a"] = 5.0
    assert pace.window_s(SERVER, "a", 1.5) == pytest.approx(4 * (0.1 + 6.0 + AROUND_S)), "30 arrivals take 6 s"
    pace.per_s[SERVER, "a"] = 50.0
    assert pace.window_s(SERVER, "a", 1.5) == pytest.approx(4 * (0.1 + 3.0 + AROUND_S))
    assert search_s(1.5, 50.0) == 3.0


def test_what_lies_between_two_sizes_is_expected_between_their_latencies() -> None:
    pace = paced((batch(2), "a", 200), (batch(8), "a", 1400))
    for images, request_s in ((2, 0.2), (4, 0.6), (5, 0.8), (8, 1.4), (16, 3.0)):
        expected = request_s + max(0.5, 3 * request_s) + request_s / 2 + AROUND_S
        assert pace.window_s(batch(images), "a", 0.5) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("other", "name", "near"),
    [
        (batch(2), "a", True),
        (SINGLE, "a", True),
        (batch(2), "b", False),
        (batch(2, input="encoded"), "a", False),
        (batch(2, transport="grpc"), "a", False),
        (Scenario(kind="wan", input="pixels"), "a", False),
    ],
)
def test_a_size_that_was_not_seen_is_judged_by_its_own_curve_alone(other: Scenario, name: str, near: bool) -> None:
    pace = paced((other, name, 1000))
    request_s = 4 / other.batch if near else 0.0
    load_s = max(0.1, request_s) + max(0.5, 3 * request_s) + request_s / 2
    assert pace.window_s(batch(4), "a", 0.5) == pytest.approx(load_s + AROUND_S, rel=2e-3)


def test_requests_in_flight_count_as_a_larger_batch_does() -> None:
    def concurrency(in_flight: int) -> Scenario:
        return Scenario(kind="concurrency", input="pixels", in_flight=in_flight)

    pace = paced((concurrency(4), "a", 1000), (concurrency(16), "a", 4000))
    assert pace.window_s(concurrency(8), "a", 0.5) == pytest.approx(3 * 2.0 + AROUND_S, rel=1e-3)
    alone = paced((concurrency(4), "a", 1000))
    assert alone.window_s(concurrency(8), "a", 0.5) == pytest.approx(3 * 2.0 + AROUND_S, rel=1e-3)


def test_the_windows_of_all_slots_fill_what_remains() -> None:
    pace = paced((SINGLE, "a", 4), (SINGLE, "b", 4))
    slots = [Slot(0, SINGLE, "a"), Slot(0, SINGLE, "b"), Slot(1, SINGLE, "a")]
    assert pace.total_s(slots, 2.0) == pytest.approx(3 * (0.1 + 2.0 + 0.002 + AROUND_S), abs=1e-3)
    seconds = pace.fitting_s(9.0, slots)
    assert pace.total_s(slots, seconds) == pytest.approx(9.0, abs=1e-3)


def test_windows_that_take_all_that_remains_fit() -> None:
    pace = learnt(lambda _: 50)
    whole_s = ROUNDS * sum(pace.window_s(each, name, THIN_BELOW_S) for each in POINTS for name in POINTS[each])
    assert kept(pace, whole_s) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert kept(pace, whole_s - 1) == [1, 2, 4, 8, 16, 32, 64]


def test_a_curve_never_loses_its_last_point_however_slow() -> None:
    assert kept(learnt(lambda _: 5000), 1) == [1, 2]


def test_a_turn_of_less_than_three_times_a_short_window_is_not_slow() -> None:
    assert kept(learnt(lambda batch: 667 / batch), 400) == [1, 2, 8, 32, 128]  # each takes 3 s of at most 3.3
    assert kept(learnt(lambda batch: 800 / batch), 400) == [1, 2, 4, 8, 16]  # 3.6 s


@pytest.mark.parametrize(("in_flight", "load_s"), [(1, 2.0 + 6.0 + 1.0), (2, 2.0 + 4.0 + 2.0), (3, 2.0 + 2.0 + 2.0)])
def test_a_window_that_took_no_longer_than_its_load_has_nothing_around_it(in_flight: int, load_s: float) -> None:
    scenario = Scenario(kind="concurrency", input="pixels", in_flight=in_flight)
    pace = Pace()
    pace.learn(window(1, scenario, "a", 2000), load_s - 0.5, 1.0)
    assert pace.window_s(scenario, "a", 1.0) == pytest.approx(load_s, abs=2e-3)
    pace.learn(window(2, scenario, "a", 2000), load_s + 0.5, 1.0)
    assert pace.window_s(scenario, "a", 1.0) == pytest.approx(load_s + 0.25, abs=2e-3)
