"""The `server` scenario: the highest arrival rate whose 99th percentile keeps a bound.

Rates are on one grid for all backends and rounds, 5 % apart, so that what several rounds see of a rate adds up. In each
round a staircase climbs after a window that kept the bound and descends after one that did not, in ever smaller steps.
What is claimed in the end is decided by MLPerf's test on all windows of a rate (see `bench.early_stopping`).
"""

import math
from collections.abc import Sequence

import numpy as np

from bench.early_stopping import fewest_within, passes
from bench.histogram import Latencies
from bench.points import Rate, ServerLoad
from bench.windows import Window

STEP = 1.05
STAIRS = (4, 2, 1, 1)
"""Steps of the grid by which the rate changes after each window of a round."""

SHARE = 0.99
BEGIN = 0.7
"""Share of the throughput of a closed loop at which the first round begins."""


def on_grid(per_s: float) -> int:
    """Return the number of the highest rate of the grid that is not above `per_s`."""
    return math.floor(math.log(per_s) / math.log(STEP) + 1e-6)


def rate(number: int) -> float:
    """Return a rate of the grid, requests per second."""
    return float(STEP**number)


def kept(window: Window) -> bool:
    """Tell whether a window kept the bound: at most 1 % of its requests were slower, or failed."""
    asked = window.requests + window.failures
    return asked > 0 and (window.over_bound or 0) <= (1 - SHARE) * asked


def next_rate(windows: Sequence[Window], begin: int) -> int:
    """Return the number of the rate to try after this round's `windows`; `begin` is that of its first."""
    number = begin
    for stair, window in zip(STAIRS, windows, strict=False):
        number += stair if kept(window) else -stair
    return number


def round_rate(windows: Sequence[Window]) -> float:
    """Return the highest rate of a round that was kept, of those below every rate that was not.

    Where none was, the rate below the lowest that was tried.
    """
    tried = sorted(windows, key=lambda each: each.offered_per_s or 0)
    best = None
    for window in tried:
        if not kept(window):
            break
        best = window.offered_per_s
    return best or (tried[0].offered_per_s or 0) / STEP


def kept_any(windows: Sequence[Window]) -> bool:
    """Tell whether a round's lowest rate kept the bound; where it did not, `round_rate` is no measurement."""
    return kept(min(windows, key=lambda each: each.offered_per_s or 0))


def outcome(windows: Sequence[Window], bound_ms: float) -> ServerLoad:
    """Return what all rounds together say about a backend; `windows` are all of its `server` windows."""
    by_rate: dict[float, list[Window]] = {}
    for window in windows:
        by_rate.setdefault(window.offered_per_s or 0.0, []).append(window)
    rates = tuple(_rate(per_s, by_rate[per_s]) for per_s in sorted(by_rate))
    refuted = min((each.per_s for each in rates if each.passes is False), default=math.inf)
    passing = [each.per_s for each in rates if each.passes and each.per_s < refuted]
    status = "valid" if passing else "none" if rates and rates[0].passes is False else "insufficient"
    return ServerLoad.model_validate(
        {
            "bound_ms": bound_ms,
            "rates": rates,
            "highest_per_s": max(passing) if passing else None,
            "status": status,
            "needed": fewest_within(0, SHARE),
        }
    )


def counting_rate(windows: Sequence[Window], load: ServerLoad) -> float:
    """Return the rate whose latencies describe the point: the highest that passes, else the middle of the rounds'."""
    if load.highest_per_s is not None:
        return load.highest_per_s
    rounds: dict[int, list[Window]] = {}
    for window in windows:
        rounds.setdefault(window.round, []).append(window)
    middle = float(np.median([round_rate(each) for each in rounds.values()]))
    return min((each.per_s for each in load.rates), key=lambda per_s: abs(per_s - middle))


def _rate(per_s: float, windows: Sequence[Window]) -> Rate:
    requests = sum(window.requests + window.failures for window in windows)
    over = sum(window.over_bound or 0 for window in windows)
    proven = passes(requests, over, SHARE)
    refuted = over > (1 - SHARE) * requests and requests >= 1 / (1 - SHARE)
    return Rate(
        per_s=per_s,
        requests=requests,
        over=over,
        p99_ms=Latencies.sum(window.histogram for window in windows).percentile_ms(100 * SHARE),
        passes=True if proven else False if refuted else None,
    )
