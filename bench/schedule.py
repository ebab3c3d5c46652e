"""In which order the windows run, and how long they are. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.scenarios import Scenario

SHORTEST_WINDOW_S = 0.1
LONGEST_WINDOW_S = 10.0


@dataclass(frozen=True)
class Slot:
    """One point's turn in a round, counted from 0."""

    round: int
    scenario: Scenario
    backend: str


def schedule(points: Mapping[Scenario, Sequence[str]], rounds: int, seed: int) -> list[list[Slot]]:
    """Return each round's slots in the order in which they run.

    Every point comes once a round. The scenarios are in random order, and so are the backends within a scenario; the
    backends of a scenario follow each other directly, so that what drifts (clocks, temperature, neighbours) meets
    both sides of each paired difference alike.

    Args:
        points: by scenario, the backends that it is measured on.
        rounds: how many.
        seed: of the order.
    """
    random = np.random.default_rng(seed)
    scenarios = list(points)
    plan = []
    for number in range(rounds):
        order = [scenarios[i] for i in random.permutation(len(scenarios))]
        plan.append(
            [
                Slot(number, scenario, points[scenario][i])
                for scenario in order
                for i in random.permutation(len(points[scenario]))
            ]
        )
    return plan


def fitting_window_s(remaining_s: float, total_s: Callable[[float], float]) -> float:
    """Return the window length, in seconds, with which all that is planned fits into `remaining_s`.

    Args:
        remaining_s: what is left.
        total_s: gives the seconds that everything takes with a window length; it must not fall. Where even the
            shortest window takes longer than there is, the answer is the shortest, and the run takes longer.
    """
    low, high = SHORTEST_WINDOW_S, LONGEST_WINDOW_S
    if total_s(high) <= remaining_s:
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if total_s(middle) <= remaining_s else (low, middle)
    return low
