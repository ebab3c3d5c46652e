"""In which order the windows run, and how long they are. Pure functions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from bench.scenarios import Scenario

SHORTEST_WINDOW_S = 0.1


@dataclass(frozen=True)
class Slot:
    """One window to be measured: a point (`scenario` on `backend`) in a round, counted from 0."""

    round: int
    scenario: Scenario
    backend: str


def schedule(backends: Sequence[str], scenarios: Sequence[Scenario], rounds: int, seed: int) -> list[list[Slot]]:
    """Return each round's windows in the order in which they run.

    Every point comes once a round. The scenarios are in random order, and so are the backends within a scenario; the
    backends of a scenario follow each other directly, so that what drifts (clocks, temperature, neighbours) meets
    both sides of each paired difference alike.
    """
    random = np.random.default_rng(seed)
    return [
        [
            Slot(number, scenario, backend)
            for scenario in (scenarios[i] for i in random.permutation(len(scenarios)))
            for backend in (backends[i] for i in random.permutation(len(backends)))
        ]
        for number in range(rounds)
    ]


def expected_window_s(window_s: float, request_s: float, min_requests: int) -> float:
    """Return the seconds that a window takes when one request takes `request_s`.

    The window ends with the first answer after `window_s`, half a request late on average.
    """
    return max(min_requests * request_s, window_s + request_s / 2)


def fitting_window_s(remaining_s: float, rounds: int, request_s: Collection[float], min_requests: int) -> float:
    """Return the window length, in seconds, with which `rounds` more rounds fit into `remaining_s`.

    Args:
        remaining_s: what is left for windows.
        rounds: rounds still to run; at least 1.
        request_s: seconds per request, for every point of a round.
        min_requests: fewest requests in a window; where they alone take longer than there is, the answer is the
            shortest window and the run takes longer than was asked for.
    """

    def total_s(window_s: float) -> float:
        return rounds * sum(expected_window_s(window_s, each, min_requests) for each in request_s)

    low, high = SHORTEST_WINDOW_S, max(SHORTEST_WINDOW_S, remaining_s)
    for _ in range(40):  # total_s rises with the window, so halving finds the longest that fits
        middle = (low + high) / 2
        low, high = (middle, high) if total_s(middle) <= remaining_s else (low, middle)
    return low
