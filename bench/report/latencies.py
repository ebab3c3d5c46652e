"""Latency percentiles, from the points' HDR histograms."""

from collections.abc import Iterator

from bench.histogram import Latencies
from bench.report.charts import LineChart, Panel, Series, Spot
from bench.report.names import DASH, has, series_name
from bench.result import Result
from bench.scenarios import INPUTS, TITLES, Input, Kind

FEWEST = 3
"""Percentiles that make a curve: with fewer there were fewer than ten requests."""

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)

_PANELS: tuple[tuple[Kind, str], ...] = (("single", "one in flight"), ("server", "random arrivals"), ("wan", "distant"))


def latency_percentiles(result: Result) -> LineChart | None:
    """Return latency against percentile; a percentile is left out where fewer than one request is above it."""
    found = (
        Panel(f"{TITLES[source]}, {words}", tuple(_lines(result, kind, source)))
        for kind, words in _PANELS
        for source in INPUTS
    )
    panels = tuple(panel for panel in found if panel.series)
    spots = [spot for panel in panels for spot in panel.spots]
    if not spots:
        return None
    return LineChart(
        "percentiles",
        "Latency percentiles",
        "Of all requests of all rounds, one image per request; the axis counts nines, so the slow tail has its room. With "
        "random arrivals: at the rate that counts. A percentile with no request above it is not drawn.",
        "percentile",
        "ms",
        panels,
        x_scale="percentile",
        x_ticks=tuple(sorted({spot.x for spot in spots})),
    )


def _lines(result: Result, kind: Kind, source: Input) -> Iterator[Series]:
    for point in result.summary.points:
        scenario = point.scenario
        if scenario.kind == kind and scenario.input == source and point.histogram:
            spots = percentiles(point.histogram)
            if len(spots) >= FEWEST:
                name = series_name(point.backend, scenario.transport)
                yield Series(name, point.backend, spots, DASH[scenario.transport])


def percentiles(histogram: str) -> tuple[Spot, ...]:
    """Return the percentiles in milliseconds of an encoded histogram (`bench.histogram`)."""
    latencies = Latencies.sum([histogram])
    return tuple(
        Spot(percentile, ms)
        for percentile in PERCENTILES
        if has(latencies.count, percentile) and (ms := latencies.percentile_ms(percentile))
    )
