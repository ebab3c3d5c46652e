"""Charts as data: what is drawn, before anything is drawn. The same data make the picture and its table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.figures import number

Mark = Literal["client-bound", "unstable", "undecided", "invalid"]
Scale = Literal["linear", "log", "percentile"]

MARK_LETTERS: dict[Mark, str] = {"client-bound": "c", "unstable": "u", "undecided": "?", "invalid": "!"}
MARK_WORDS: dict[Mark, str] = {
    "client-bound": "the client was the limit",
    "unstable": "the last windows differ by more than 10 %",
    "undecided": "too few requests to tell by MLPerf's test",
    "invalid": "errors, a restart or a compile; it cannot win",
}

LOG_FROM = 5
"""Values that span more than this factor are drawn on a log axis."""

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""A table: its heads and its rows."""


@dataclass(frozen=True)
class Spot:
    """One measured point: its place, the ends of its interval where there is one, and what is wrong with it."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Series:
    """Points joined by a line.

    Attributes:
        name: as the legend has it.
        backend: gives the colour and the marker.
        dash: gives the line's style: 0 is solid, 1 dashed, 2 dotted, 3 dash-dotted.
        theirs: True for figures that somebody else measured.
        markers: False for curves of many points, which are drawn as lines only.
    """

    name: str
    backend: str
    spots: tuple[Spot, ...]
    dash: int = 0
    theirs: bool = False
    markers: bool = True


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    series: tuple[Series, ...]

    @property
    def spots(self) -> list[Spot]:
        """Every point."""
        return [spot for series in self.series for spot in series.spots]


@dataclass(frozen=True)
class LineChart:
    """Panels of lines that share their labels and scales.

    Attributes:
        key: short name, unique in a report; letters and dashes.
        caption: what is to be seen, in Markdown, without conclusions.
        x_label, y_label: with the unit.
        x_ticks: values to label; none leaves the choice to the scale.
        y_line: a bound to draw, with its name.
    """

    key: str
    title: str
    caption: str
    x_label: str
    y_label: str
    panels: tuple[Panel, ...]
    x_scale: Scale = "linear"
    x_ticks: tuple[float, ...] = ()
    y_line: tuple[float, str] | None = None

    @property
    def spots(self) -> list[Spot]:
        """Every point of every panel."""
        return [spot for panel in self.panels for spot in panel.spots]

    @property
    def y_scale(self) -> Scale:
        """The scale on which its points and its bound can be told apart."""
        bound = [self.y_line[0]] if self.y_line else []
        return scale_for([*(spot.y for spot in self.spots), *bound])

    @property
    def marks(self) -> list[Mark]:
        """The marks that occur, in a fixed order."""
        found = {mark for spot in self.spots for mark in spot.marks}
        return [mark for mark in MARK_LETTERS if mark in found]


@dataclass(frozen=True)
class Bar:
    """One bar: the lengths of its parts, in the chart's order of parts; None where a part is not known."""

    label: str
    backend: str
    parts: tuple[float | None, ...]

    @property
    def total(self) -> float:
        """Its length."""
        return sum(part or 0.0 for part in self.parts)


@dataclass(frozen=True)
class BarGroup:
    """Bars under one heading."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars made of parts."""

    key: str
    title: str
    caption: str
    x_label: str
    parts: tuple[str, ...]
    groups: tuple[BarGroup, ...] = field(default=())


Chart = LineChart | BarChart


def scale_for(values: Sequence[float]) -> Scale:
    """Return `log` where the values are positive and span more than `LOG_FROM`, else `linear`."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite or min(finite) <= 0:
        return "linear"
    return "log" if max(finite) / min(finite) > LOG_FROM else "linear"


def table(chart: Chart) -> Table:
    """Return the chart's numbers: one row a point or a bar."""
    return _bar_table(chart) if isinstance(chart, BarChart) else _line_table(chart)


def _line_table(chart: LineChart) -> Table:
    panels = len(chart.panels) > 1 or bool(chart.panels and chart.panels[0].title)
    with_interval = any(spot.low is not None for spot in chart.spots)
    rows = []
    for panel in chart.panels:
        for series in panel.series:
            for spot in series.spots:
                interval = (
                    "-" if spot.low is None or spot.high is None else f"{number(spot.low)} to {number(spot.high)}"
                )
                rows.append(
                    (
                        *((panel.title,) if panels else ()),
                        series.name,
                        x_text(chart, spot.x),
                        number(spot.y),
                        *((interval,) if with_interval else ()),
                        *((", ".join(spot.marks) or "-",) if chart.marks else ()),
                    )
                )
    heads = (
        *(("panel",) if panels else ()),
        "series",
        chart.x_label,
        chart.y_label,
        *(("95 % interval",) if with_interval else ()),
        *(("mark",) if chart.marks else ()),
    )
    return heads, rows


def x_text(chart: LineChart, x: float) -> str:
    """Return a point's place on the x axis as text."""
    if chart.x_scale == "percentile":
        return percentile_text(x)
    return f"{x:,.0f}" if float(x).is_integer() else number(x)


def percentile_text(percentile: float) -> str:
    """Return a percentile without needless digits: 50 -> `50`, 99.9 -> `99.9`."""
    return f"{percentile:.10g}"


def _bar_table(chart: BarChart) -> Table:
    titled = any(group.title for group in chart.groups)
    heads = (*(("",) if titled else ()), "backend", *chart.parts, f"all, {chart.x_label}")
    rows = [
        (
            *((group.title,) if titled else ()),
            bar.label,
            *("-" if part is None else number(part) for part in bar.parts),
            number(bar.total),
        )
        for group in chart.groups
        for bar in group.bars
    ]
    return heads, rows
