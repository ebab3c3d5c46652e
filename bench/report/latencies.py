"""Latency percentiles, from the points' HDR histograms."""

from bench.histogram import Latencies
from bench.points import Point
from bench.report.charts import LineChart, Panel, Series, Spot, scale_for
from bench.report.names import DASH, series_name
from bench.result import Result
from bench.scenarios import Kind

PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)

_PANELS: tuple[tuple[Kind, str], ...] = (("single", "one in flight"), ("server", "random arrivals"), ("wan", "distant"))


def latency_percentiles(result: Result) -> LineChart | None:
    """Return latency against percentile; a percentile is left out where fewer than one request is above it."""
    panels: list[Panel] = []
    for kind, words in _PANELS:
        for title in dict.fromkeys(point.scenario.title.partition(", ")[2] for point in _of(result, kind)):
            name = title.removesuffix(", gRPC")
            if any(panel.title == f"{name}, {words}" for panel in panels):
                continue
            lines = tuple(
                Series(
                    series_name(point.backend, point.scenario.transport),
                    point.backend,
                    percentiles(point.histogram),
                    DASH[point.scenario.transport],
                )
                for point in _of(result, kind)
                if point.histogram and point.scenario.title.partition(", ")[2].removesuffix(", gRPC") == name
            )
            if lines:
                panels.append(Panel(f"{name}, {words}", lines))
    spots = [spot for panel in panels for series in panel.series for spot in series.spots]
    if not spots:
        return None
    return LineChart(
        "percentiles",
        "Latency percentiles",
        "Of all requests of all rounds, one image per request; the axis counts nines, so the slow tail has its room. With "
        "random arrivals: at the highest rate that kept the bound. A percentile with no request above it is not drawn.",
        "percentile",
        "ms",
        tuple(panels),
        x_scale="percentile",
        y_scale=scale_for([spot.y for spot in spots]),
        x_ticks=tuple(sorted({spot.x for spot in spots})),
    )


def percentiles(histogram: str) -> tuple[Spot, ...]:
    """Return the percentiles in milliseconds of an encoded histogram (`bench.histogram`)."""
    latencies = Latencies.sum([histogram])
    return tuple(
        Spot(percentile, ms)
        for percentile in PERCENTILES
        if round(latencies.count * (100 - percentile) / 100, 6) >= 1 and (ms := latencies.percentile_ms(percentile))
    )


def _of(result: Result, kind: Kind) -> list[Point]:
    return [point for point in result.summary.points if point.scenario.kind == kind]
