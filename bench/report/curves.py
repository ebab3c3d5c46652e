"""Throughput and latency against load, as charts."""

from collections.abc import Callable, Iterable

from bench.figures import number
from bench.points import Point
from bench.report import style
from bench.report.charts import LineChart, Mark, Panel, Series, Spot, scale_for
from bench.report.names import DASH, has, marks, series_name
from bench.result import Result
from bench.scenarios import INPUTS, TITLES, TRANSPORTS, Input, Kind, Transport

NEAR = 10
"""The client's own limit is drawn where it is less than this many times what a backend reached."""

Value = Callable[[Point], Spot | None]


def throughput_by_batch(result: Result) -> LineChart | None:
    """Return images per second against images per request, one request in flight."""
    panels = _panels(result, ("single", "batch"), lambda point: _speed(point, point.scenario.batch))
    panels, client = _with_client(result, panels, lambda null: null.batch if null.in_flight == 1 else None)
    return _chart(
        "throughput-batch",
        "Throughput against batch size",
        f"One request in flight over HTTP or gRPC. {client}",
        "images per request",
        "images/s",
        panels,
    )


def throughput_by_concurrency(result: Result) -> LineChart | None:
    """Return images per second against requests in flight, one image per request."""
    panels = _panels(result, ("single", "concurrency"), lambda point: _speed(point, point.scenario.in_flight))
    panels, client = _with_client(result, panels, lambda null: null.in_flight if null.batch == 1 else None)
    return _chart(
        "throughput-in-flight",
        "Throughput against requests in flight",
        f"One image per request, closed loop: each connection sends its next request when its answer is in. {client}",
        "requests in flight",
        "images/s",
        panels,
    )


def latency_by_concurrency(result: Result) -> LineChart | None:
    """Return the 99th percentile against requests in flight, one image per request."""
    return against(
        result,
        ("single", "concurrency"),
        _p99,
        key="latency-in-flight",
        title="Latency against requests in flight",
        caption="The 99th percentile over all rounds, one image per request, closed loop." + few(result),
        x_label="requests in flight",
        y_label="p99, ms",
    )


def few(result: Result) -> str:
    """Return what to know of the 99th percentile where some curve rests on few requests; nothing where none does."""
    points = [point for point in result.summary.points if point.scenario.kind in ("single", "concurrency")]
    return (
        "" if all(has(point.requests, 99) for point in points) else " Of fewer than 100 requests it is the slowest one."
    )


def against(
    result: Result,
    kinds: tuple[Kind, ...],
    value: Value,
    *,
    key: str,
    title: str,
    caption: str,
    x_label: str,
    y_label: str,
) -> LineChart | None:
    """Return a chart of `value` of the points of `kinds`, a panel for each input; None where there is none to draw."""
    return _chart(key, title, caption, x_label, y_label, _panels(result, kinds, value))


def latency_by_rate(result: Result) -> LineChart | None:
    """Return the 99th percentile against the rate at which requests arrive, with the bound."""
    panels = [
        Panel(
            TITLES[kind],
            tuple(
                Series(series_name(name, transport), name, _rates(result, name, kind, transport), DASH[transport])
                for name in result.measured
                for transport in TRANSPORTS
                if _rates(result, name, kind, transport)
            ),
        )
        for kind in INPUTS
    ]
    bound = result.settings.p99_ms
    return _chart(
        "latency-rate",
        "Latency against offered load",
        "Requests of one image arrive at random (Poisson), whether or not the earlier ones are answered. A latency counts "
        "from the moment for which its request was scheduled, so a server that stalls is charged for all who wait.",
        "requests/s that arrive",
        "p99, ms",
        panels,
        x_ticks=False,
        y_line=(bound, f"bound {bound:g} ms"),
    )


def _panels(result: Result, kinds: tuple[Kind, ...], value: Value) -> list[Panel]:
    panels = []
    for kind in INPUTS:
        lines = []
        for name in result.measured:
            for transport in TRANSPORTS:
                points = [
                    point
                    for point in result.summary.points
                    if point.backend == name
                    and point.scenario.kind in kinds
                    and point.scenario.input == kind
                    and point.scenario.transport == transport
                ]
                spots = sorted((spot for point in points if (spot := value(point))), key=lambda spot: spot.x)
                if spots:
                    lines.append(Series(series_name(name, transport), name, tuple(spots), DASH[transport]))
        panels.append(Panel(TITLES[kind], tuple(lines)))
    return panels


def _speed(point: Point, x: int | None) -> Spot | None:
    found = point.images_per_s
    return Spot(x, found.value, found.low, found.high, marks(point)) if found and x else None


def _p99(point: Point) -> Spot | None:
    p99 = point.percentiles_ms.get("99")
    return Spot(point.scenario.in_flight or 1, p99, marks=marks(point)) if p99 else None


def _rates(result: Result, name: str, kind: Input, transport: Transport) -> tuple[Spot, ...]:
    found = []
    for point in result.summary.points:
        scenario = point.scenario
        if point.backend == name and scenario.input == kind and scenario.transport == transport and point.server:
            for rate in point.server.rates:
                if rate.p99_ms is not None:
                    undecided: tuple[Mark, ...] = ("undecided",) if rate.passes is None else ()
                    found.append(Spot(rate.per_s, rate.p99_ms, marks=undecided))
    return tuple(sorted(found, key=lambda spot: spot.x))


def _with_client(result: Result, panels: list[Panel], place: Callable[..., int | None]) -> tuple[list[Panel], str]:
    """Add the client's own limit where it is near, and say in words how far away it is."""
    nearest: float | None = None
    extended = []
    for kind, panel in zip(INPUTS, panels, strict=True):
        fastest = {
            (series.dash, spot.x): spot.y for series in sorted(panel.series, key=_height) for spot in series.spots
        }
        lines = []
        for transport in TRANSPORTS:
            nulls = [
                (x, null.images_per_s)
                for null in result.null_server
                if null.input == kind and null.transport == transport and (x := place(null)) is not None
            ]
            room = [speed / fastest[DASH[transport], x] for x, speed in nulls if fastest.get((DASH[transport], x))]
            if not room:
                continue
            nearest = min([*room, *([nearest] if nearest else [])])
            if min(room) < NEAR and len(nulls) > 1:
                spots = tuple(sorted((Spot(x, speed) for x, speed in nulls), key=lambda spot: spot.x))
                lines.append(Series(series_name(style.CLIENT, transport), style.CLIENT, spots, DASH[transport]))
        extended.append(Panel(panel.title, (*panel.series, *lines)))
    if nearest is None:
        return panels, "The client's own limit was not measured."
    return (
        extended,
        f"Against a server that computes nothing, the same client reached at least {number(nearest)} times this.",
    )


def _height(series: Series) -> float:
    return max(spot.y for spot in series.spots)


def _chart(
    key: str,
    title: str,
    caption: str,
    x_label: str,
    y_label: str,
    panels: Iterable[Panel],
    *,
    x_ticks: bool = True,
    y_line: tuple[float, str] | None = None,
) -> LineChart | None:
    """Return the chart, or None where nothing was measured for it or no line has two points."""
    filled = tuple(panel for panel in panels if any(len(series.spots) > 1 for series in panel.series))
    if not filled:
        return None
    xs = sorted({spot.x for panel in filled for spot in panel.spots})
    return LineChart(
        key,
        title,
        caption,
        x_label,
        y_label,
        filled,
        x_scale=scale_for(xs),
        x_ticks=tuple(xs) if x_ticks else (),
        y_line=y_line,
    )
