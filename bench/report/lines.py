"""Draws one panel of a line chart into matplotlib's axes."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bench.figures import number
from bench.report import style
from bench.report.charts import MARK_LETTERS, LineChart, Panel, Series, Spot, percentile_text

PANEL_COLUMNS = 2
"""Panels side by side on a wide page; on a phone they stand below each other."""

_NINES = 1e-6
"""The percentile axis ends at six nines: a whole run has fewer requests than that could tell apart."""

_ROOM = 1.05
"""Where a linear axis ends, as a multiple of the highest value: matplotlib's own margin."""


def line_height(chart: LineChart, wide: bool) -> float:
    """Return the height of a chart without its legend, in CSS pixels."""
    return 310 * math.ceil(len(chart.panels) / PANEL_COLUMNS) if wide else 270 * len(chart.panels)


def legend_columns(charts: Sequence[LineChart], wide: bool) -> int:
    """Return how many names of the legend stand side by side, in rows of like length."""
    names, most = len(_by_name(charts)), 5 if wide else 2
    return math.ceil(names / math.ceil(names / most))


def legend_height(charts: Sequence[LineChart], wide: bool) -> float:
    """Return the height of the legend, in CSS pixels."""
    return 8 + 18 * math.ceil(len(_by_name(charts)) / legend_columns(charts, wide))


def legend_handles(charts: Sequence[LineChart], order: list[str]) -> list[Line2D]:
    """Return what the legend shows: each name once."""
    return [Line2D([], [], label=name, **_looks(series, order)) for name, series in _by_name(charts).items()]


def by_rows(handles: list[Line2D], columns: int) -> list[Line2D]:
    """Return the handles in the order in which matplotlib, which fills columns first, shows them row by row."""
    columns = min(columns, len(handles))
    return [handles[i] for column in range(columns) for i in range(column, len(handles), columns)]


def _by_name(charts: Sequence[LineChart]) -> dict[str, Series]:
    return {series.name: series for chart in charts for panel in chart.panels for series in panel.series}


def draw_panel(
    axes: Axes, chart: LineChart, panel: Panel, order: list[str], *, gid: str, head: str, wide: bool, first: bool
) -> None:
    """Draw `panel` of `chart`.

    Args:
        axes: empty ones.
        chart: gives labels and scales.
        panel: what to draw.
        order: all backends of the report.
        gid: begins the ids of the series in the SVG; the series' number follows.
        head: the panel's heading.
        wide: False on a phone.
        first: whether this is the first panel of a row; only there the y axis is named.
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, axis="y", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=3)
    for i, series in enumerate(panel.series):
        _series(axes, series, order, f"{gid}-{i}")
    _scales(axes, chart, chart.spots if wide else panel.spots, wide)
    if chart.y_line:
        _bound(axes, *chart.y_line, named=first or not wide)
    axes.set_title(head, loc="left", fontsize=11.5, fontweight="bold", pad=20)
    axes.annotate(
        chart.y_label,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 6),
        textcoords="offset points",
        fontsize=11,
        color=style.QUIET,
    )
    axes.set_xlabel(chart.x_label, fontsize=11, color=style.QUIET)


def _looks(series: Series, order: list[str]) -> dict[str, Any]:
    look = style.look(series.backend, order)
    return {
        "color": look.light,
        "linestyle": style.THEIRS if series.theirs else style.DASHES[series.dash % len(style.DASHES)],
        "linewidth": 1.2 if series.theirs else 1.8,
        "marker": look.marker if series.markers else None,
        "markersize": 6,
        "markerfacecolor": style.PAPER if series.theirs else look.light,
        "markeredgecolor": look.light,
    }


def _series(axes: Axes, series: Series, order: list[str], gid: str) -> None:
    looks = _looks(series, order)
    (line,) = axes.plot(
        [spot.x for spot in series.spots], [spot.y for spot in series.spots], gid=gid, zorder=3, **looks
    )
    whole = [(spot.x, spot.low, spot.high) for spot in series.spots if spot.low is not None and spot.high is not None]
    if whole:
        xs, lows, highs = zip(*whole, strict=True)
        axes.vlines(xs, lows, highs, colors=line.get_color(), linewidth=4, alpha=0.4, zorder=2)
    for spot in series.spots:
        if spot.marks:
            _mark(axes, spot)


def _mark(axes: Axes, spot: Spot) -> None:
    axes.plot(
        [spot.x],
        [spot.y],
        marker="o",
        markersize=12,
        markerfacecolor="none",
        markeredgecolor=style.INK,
        markeredgewidth=1.2,
        zorder=4,
    )
    letters = "".join(MARK_LETTERS[mark] for mark in spot.marks)
    axes.annotate(
        letters, (spot.x, spot.y), xytext=(6, 6), textcoords="offset points", fontsize=10, fontweight="bold", zorder=5
    )


def _scales(axes: Axes, chart: LineChart, spots: list[Spot], wide: bool) -> None:
    xs = [spot.x for spot in spots]
    ys = [end for spot in spots for end in (spot.y, spot.low, spot.high) if end is not None]
    if chart.y_line:
        ys.append(chart.y_line[0])
    _scale(axes, "x", chart.x_scale, xs, chart.x_ticks, 8 if wide else 7)
    _scale(axes, "y", chart.y_scale, ys, (), 6)
    if chart.y_scale == "linear":
        # Said rather than left to matplotlib, which no longer looks at other panels once the bottom is set.
        axes.set_ylim(0, _ROOM * max(ys) if any(ys) else 1)
    if chart.x_scale == "linear":
        axes.set_xlim(left=0)


def _scale(axes: Axes, side: str, scale: str, values: list[float], ticks: tuple[float, ...], most: int) -> None:
    axis = axes.xaxis if side == "x" else axes.yaxis
    set_scale = axes.set_xscale if side == "x" else axes.set_yscale
    text: Callable[[float], str] = tick_text
    if scale == "percentile":
        set_scale("function", functions=(_nines, lambda nines: 100 * (1 - 10.0**-nines)))
        text = percentile_text
    elif scale == "log":
        set_scale("log")
    if ticks:
        axis.set_major_locator(FixedLocator(_thin(ticks, most)))
    elif scale == "log":
        decades = math.log10(max(values) / min(values)) if values else 1.0
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.2 else (1.0,), numticks=20))
    else:
        axis.set_major_locator(MaxNLocator(nbins=most, min_n_ticks=3, steps=[1, 2, 2.5, 5, 10]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def _nines(percentile: Any) -> Any:
    """Return how many nines a percentile has: 90 -> 1, 99 -> 2; the axis of HDR histograms' own plots."""
    return -np.log10(np.maximum(1 - np.asarray(percentile, float) / 100, _NINES))


def tick_text(value: float) -> str:
    """Return an axis' number: whole where it is whole, without the noise of floating point."""
    value = float(f"{value:.6g}")
    return f"{value:,.0f}" if value.is_integer() else number(value).rstrip("0").rstrip(".")


def _thin(ticks: tuple[float, ...], most: int) -> list[float]:
    """Leave out every so-manyth tick, from the last on, so that at most `most` stay."""
    step = math.ceil(len(ticks) / most)
    return list(ticks[::-1][::step][::-1])


def _bound(axes: Axes, value: float, name: str, named: bool) -> None:
    axes.axhline(value, color=style.BOUND, linewidth=1.2, linestyle=(0, (8, 3)), zorder=1)
    if named:
        axes.annotate(
            name,
            (0.01, value),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=10,
            color=style.BOUND,
        )
