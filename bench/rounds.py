"""From the windows of one point to its figures. Pure functions of the numbers and a seed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench import early_stopping, search
from bench.histogram import Latencies
from bench.intervals import MIN_ROUNDS, median_interval
from bench.points import Figure, Point, ServerLoad
from bench.scenarios import Input, Scenario, Transport
from bench.splits import pooled
from bench.windows import Window

PERCENTS = (0, 10, 25, 50, 75, 90, 95, 99, 99.9, 100)

STABLE_ROUNDS, STABLE_WITHIN = 3, 0.10
"""A point is stable when each of the last three rounds is within 10 % of their mean (Triton's Perf Analyzer asks the same
of its last three windows)."""

CLIENT_SHARE, CLIENT_BUSY = 0.9, 0.9

Shape = tuple[Input, Transport, int, int]
"""Input, transport, images per request and requests in flight: what the client's own limit depends on."""


@dataclass(frozen=True)
class Basis:
    """What points rest on besides their windows.

    Attributes:
        seed: of the resampling.
        disagreeing: backends whose embeddings were not those of the others; they cannot win.
        null_images_per_s: what the client reaches against the null server.
        p99_ms: the bound of `server`.
        price_per_hour: of the machine, or None.
    """

    seed: int = 0
    disagreeing: Collection[str] = ()
    null_images_per_s: Mapping[Shape, float] = field(default_factory=dict)
    p99_ms: float = 50.0
    price_per_hour: float | None = None


def by_round(windows: Sequence[Window]) -> list[list[Window]]:
    """Return a point's windows by round, in order."""
    rounds: dict[int, list[Window]] = {}
    for window in windows:
        rounds.setdefault(window.round, []).append(window)
    return [rounds[number] for number in sorted(rounds)]


def scores(windows: Sequence[Window]) -> list[float]:
    """Return a point's figure of each round, of which more is better: what decides its scenario.

    Images per second; where latency decides, 1,000 over the median latency in ms. Empty when a round has none.
    """
    found = []
    for each in by_round(windows):
        if each[0].scenario.kind == "server":
            value: float | None = search.round_rate(each)
        elif each[0].scenario.metric == "p50_ms":
            value = 1e3 / each[0].p50_ms if each[0].p50_ms else None
        else:
            value = each[0].images_per_s
        found.append(value or 0.0)
    return found if all(found) else []


def point(scenario: Scenario, backend: str, windows: Sequence[Window], basis: Basis) -> Point:
    """Return the figures of one point from its windows, at least one a round."""
    server = search.outcome(windows, basis.p99_ms) if scenario.kind == "server" else None
    described = _described(windows, server)
    latencies = Latencies.sum(window.histogram for window in described)
    own = scores(windows)
    speeds = own if scenario.metric == "images_per_s" else [window.images_per_s for window in windows]
    medians = [window.p50_ms for window in windows] if scenario.kind != "server" else []
    figure = _figure(speeds if own else [], basis.seed)
    single = scenario.kind == "single"
    return Point(
        scenario=scenario,
        backend=backend,
        images_per_s=figure,
        p50=_figure([value for value in medians if value] if all(medians) else [], basis.seed),
        requests=sum(window.requests for window in windows),
        failures=sum(window.failures for window in windows),
        percentiles_ms=latencies.percentiles_ms(PERCENTS),
        mean_ms=latencies.mean_ms,
        p90_estimate=early_stopping.estimate(latencies, 0.9) if single else None,
        p99_estimate=early_stopping.estimate(latencies, 0.99) if single else None,
        server=server,
        histogram=latencies.encoded if latencies.count else None,
        split=pooled([window.split for window in described if window.split]),
        stable=_stable(own),
        client_bound=_client_bound(scenario, windows, figure, basis),
        joules_per_image=_joules_per_image(described),
        cost_per_million=basis.price_per_hour / 3600 * 1e6 / figure.value if basis.price_per_hour and figure else None,
        problem=_problem(backend, windows, own, basis),
    )


def _described(windows: Sequence[Window], server: ServerLoad | None) -> Sequence[Window]:
    if server is None:
        return windows
    per_s = search.counting_rate(windows, server)
    return [window for window in windows if window.offered_per_s == per_s]


def _figure(values: Sequence[float], seed: int) -> Figure | None:
    if not values:
        return None
    low, high = median_interval(values, seed) if len(values) >= MIN_ROUNDS else (None, None)
    return Figure(value=float(np.median(values)), low=low, high=high, rounds=tuple(values))


def _stable(values: Sequence[float]) -> bool | None:
    if len(values) < STABLE_ROUNDS:
        return None
    last = np.asarray(values[-STABLE_ROUNDS:])
    return bool((np.abs(last / last.mean() - 1) <= STABLE_WITHIN).all())


def _client_bound(scenario: Scenario, windows: Sequence[Window], figure: Figure | None, basis: Basis) -> str | None:
    """Tell why the client was the limit.

    It was when the same client reaches less than a ninth more against a server that computes nothing, or when a client
    process was busy for more than 90 % of the time (one Python process runs on one core).
    """
    busy = float(np.median([window.client_busy for window in windows]))
    if busy > CLIENT_BUSY:
        return f"a client process was busy for {busy:.0%} of the time"
    null = basis.null_images_per_s.get((scenario.input, scenario.transport, scenario.batch, scenario.in_flight or 0))
    if null and figure and scenario.kind != "wan" and figure.value > CLIENT_SHARE * null:
        return f"{figure.value / null:.0%} of what the same client reaches against a server that computes nothing"
    return None


def _joules_per_image(windows: Sequence[Window]) -> float | None:
    joules = images = 0.0
    for window in windows:
        seen = window.telemetry
        if seen is None or seen.energy_j is None or not seen.elapsed_s:
            return None
        joules += (
            seen.energy_j / seen.elapsed_s * window.elapsed_s
        )  # the sampler also sees the load's beginning and end
        images += window.images
    return joules / images if images else None


def _problem(backend: str, windows: Sequence[Window], own: Sequence[float], basis: Basis) -> str | None:
    failures = sum(window.failures for window in windows)
    invalid = next((window.invalid for window in windows if window.invalid), None)
    if failures:
        asked = failures + sum(window.requests for window in windows)
        return f"{failures} of {asked} requests failed"
    if invalid:
        return invalid
    if not own:
        return "a round without an answer"
    if windows[0].scenario.kind == "server":
        rounds = by_round(windows)
        if 2 * sum(map(search.kept_any, rounds)) <= len(rounds):
            return f"no rate that was tried kept {basis.p99_ms:g} ms in most rounds"
    return "its embeddings are not those of the others" if backend in basis.disagreeing else None
