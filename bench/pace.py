"""How long things take, learnt while they run, and the window length that follows from the time there is."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from bench.one_window import MIN_REQUESTS, SETTLE_S
from bench.scenarios import Scenario
from bench.schedule import Slot, fitting_window_s
from bench.search import STAIRS
from bench.table import sweep, thinned
from bench.windows import Window

SERVER_LENGTH = 2.0
"""A window of `server` is so many times as long as the others: a 99th percentile takes more requests than a median."""

SEARCH_REQUESTS = 30
"""Fewest arrivals that a window of `server` is long enough for, on average."""

THIN_BELOW_S = 1.0
"""The sweeps are thinned until windows of this length fit: in shorter ones a burst of the machine's own decides."""

SLOW = 3.0
"""Times the length of such a window that a point's turn takes when its own few requests, not the window, are what takes long."""


class Pace:
    """Seconds per request and per window of every point.

    Attributes:
        per_s: about the rate at which a point of `server` is searched.
    """

    def __init__(self) -> None:
        self._request_s: dict[tuple[Scenario, str], float] = {}
        self._overhead_s: dict[tuple[Scenario, str], list[float]] = {}
        self.per_s: dict[tuple[Scenario, str], float] = {}

    def learn(self, window: Window, wall_s: float, asked_s: float) -> None:
        """Take in a window that took `wall_s` with all that belongs to it and was to be `asked_s` long."""
        point = (window.scenario, window.backend)
        if window.mean_ms is not None:
            self._request_s[point] = window.mean_ms / 1e3
        if window.scenario.in_flight is None:
            expected = SETTLE_S + asked_s
        else:
            expected = self._loop_s(window.scenario, self._request_s.get(point, 0.0), asked_s)
        self._overhead_s.setdefault(point, []).append(max(0.0, wall_s - expected))

    def knows(self, scenario: Scenario, backend: str) -> bool:
        """Tell whether anything was learnt of a point."""
        return (scenario, backend) in self._overhead_s

    def window_s(self, scenario: Scenario, backend: str, seconds: float) -> float:
        """Return the seconds that a point's turn takes with windows of `seconds`, everything included."""
        overhead = statistics.median(self._overhead_s.get((scenario, backend)) or self._usual_overhead())
        if scenario.in_flight is None:
            searched_s = search_s(seconds, self.per_s.get((scenario, backend), float("inf")))
            return len(STAIRS) * (SETTLE_S + searched_s + overhead)
        return self._loop_s(scenario, self._latency_s(scenario, backend), seconds) + overhead

    def fitting_s(self, remaining_s: float, slots: Sequence[Slot]) -> float:
        """Return the window length with which `slots` fit into `remaining_s`."""
        return fitting_window_s(remaining_s, lambda seconds: self.total_s(slots, seconds))

    def total_s(self, slots: Iterable[Slot], seconds: float) -> float:
        """Return the seconds that `slots` take with windows of `seconds`."""
        return sum(self.window_s(slot.scenario, slot.backend, seconds) for slot in slots)

    def thin(
        self, points: Mapping[Scenario, Sequence[str]], rounds: int, remaining_s: float
    ) -> dict[Scenario, Sequence[str]]:
        """Return the points whose windows fit into `remaining_s`.

        Until they do, the sweeps lose the largest of the points that are too slow for short windows; without any, every
        second size.
        """
        kept = tuple(points)

        def takes_s(found: Iterable[Scenario]) -> float:
            return rounds * sum(self.window_s(each, name, THIN_BELOW_S) for each in found for name in points[each])

        def turn_s(each: Scenario) -> float:
            return max(self._loop_s(each, self._latency_s(each, name), THIN_BELOW_S) for name in points[each])

        while takes_s(kept) > remaining_s:
            ends = [curve[-1] for curve in sweep(kept).values() if len(curve) > 1]
            slowest = max(ends, key=turn_s, default=None)
            if slowest is not None and turn_s(slowest) > SLOW * (SETTLE_S + THIN_BELOW_S):
                kept = tuple(each for each in kept if _size(each) != _size(slowest))
            elif thinned(kept) != kept:
                kept = thinned(kept)
            else:
                break
        return {each: points[each] for each in kept}

    def _loop_s(self, scenario: Scenario, request_s: float, seconds: float) -> float:
        turns = -(-MIN_REQUESTS // (scenario.in_flight or 1))
        tail_s = request_s if (scenario.in_flight or 1) > 1 else request_s / 2
        return max(SETTLE_S, request_s) + max(seconds, turns * request_s) + tail_s

    def _latency_s(self, scenario: Scenario, backend: str) -> float:
        """Return what was seen, or what lies between the neighbours of the same curve."""
        if (scenario, backend) in self._request_s:
            return self._request_s[scenario, backend]
        near = [
            (each.batch * (each.in_flight or 1), seconds)
            for (each, name), seconds in self._request_s.items()
            if name == backend
            and (each.input, each.transport) == (scenario.input, scenario.transport)
            and each.kind in (scenario.kind, "single")
        ]
        if not near:
            return 0.0
        (low, low_s), (high, high_s) = min(near), max(near)
        if low == high:
            return low_s * scenario.batch * (scenario.in_flight or 1) / low
        return low_s + (high_s - low_s) * (scenario.batch * (scenario.in_flight or 1) - low) / (high - low)

    def _usual_overhead(self) -> list[float]:
        return [each for seen in self._overhead_s.values() for each in seen] or [0.1]


def _size(scenario: Scenario) -> tuple[str, int, int | None]:
    return scenario.kind, scenario.batch, scenario.in_flight


def search_s(seconds: float, per_s: float) -> float:
    """Return the length of a `server` window at a rate, where other windows are `seconds` long."""
    return max(SERVER_LENGTH * seconds, SEARCH_REQUESTS / per_s)
