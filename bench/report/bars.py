"""Draws a bar chart into a matplotlib figure."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bench.figures import number
from bench.report import style
from bench.report.charts import Bar, BarChart
from bench.report.lines import tick_text

_ROW, _GAP = 1.0, 0.35
_LEGEND_COLUMNS = {True: 6, False: 2}


def bar_height(chart: BarChart, wide: bool) -> float:
    """Return the chart's height, in CSS pixels."""
    rows = sum(len(group.bars) + bool(group.title) + _GAP for group in chart.groups)
    return 56 + 18 * math.ceil(len(_shown(chart)) / _LEGEND_COLUMNS[wide]) + 25 * rows


def draw_bars(figure: Figure, chart: BarChart, *, wide: bool) -> None:
    """Draw `chart`, one bar a row, groups under their titles."""
    axes = figure.subplots()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(True, axis="x", linewidth=0.8)
    axes.set_axisbelow(True)
    place, places, labels = 0.0, [], []
    for group in chart.groups:
        if group.title:
            place += _ROW
            axes.annotate(
                group.title,
                (0, place - _ROW),
                xycoords=axes.get_yaxis_transform(),
                fontsize=11.5,
                fontweight="bold",
                va="center",
            )
        for bar in group.bars:
            _bar(axes, bar, place)
            places.append(place)
            labels.append(bar.label)
            place += _ROW
        place += _GAP
    longest = max((bar.total for group in chart.groups for bar in group.bars), default=0.0) or 1.0
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(place - _GAP - 0.4, -0.6)
    axes.set_xlim(0, longest * (1.08 if wide else 1.2))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7 if wide else 4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))
    axes.set_xlabel(chart.x_label, fontsize=11, color=style.QUIET)
    shown = _shown(chart)
    if len(shown) > 1:
        figure.legend(
            handles=[_patch(i, chart.parts[i]) for i in shown],
            loc="outside upper left",
            ncols=_LEGEND_COLUMNS[wide],
            frameon=False,
            fontsize=11,
            columnspacing=1.4,
            borderaxespad=0.1,
        )


def _shown(chart: BarChart) -> list[int]:
    """Return the parts that some bar has."""
    return [i for i in range(len(chart.parts)) if any(bar.parts[i] for group in chart.groups for bar in group.bars)]


def _bar(axes: Axes, bar: Bar, place: float) -> None:
    left = 0.0
    for i, part in enumerate(bar.parts):
        if part:
            fill, hatch = style.PARTS[i], style.HATCHES[i]
            axes.barh(
                place, part, left=left, height=0.74, color=fill, hatch=hatch, edgecolor=style.PAPER, linewidth=0.6
            )
            left += part
    axes.annotate(number(bar.total), (left, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=11)


def _patch(i: int, name: str) -> Patch:
    return Patch(facecolor=style.PARTS[i], hatch=style.HATCHES[i], edgecolor=style.PAPER, label=name)
