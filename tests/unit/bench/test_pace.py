"""What is left out when the time is short."""

from collections.abc import Callable

from bench.pace import THIN_BELOW_S, Pace
from bench.scenarios import Scenario
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
