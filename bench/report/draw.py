"""Draws charts with matplotlib: SVG for a page, wide and for a phone, and PNG."""

import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bench.report import style
from bench.report.bars import bar_height, draw_bars
from bench.report.charts import BarChart, Chart, LineChart
from bench.report.lines import (
    PANEL_COLUMNS,
    by_rows,
    draw_panel,
    legend_columns,
    legend_handles,
    legend_height,
    line_height,
)

WIDE, NARROW = 920, 358
"""Widths in CSS pixels: of a page's column, and of a phone of 390 pixels without its margins."""

UNIT = 72
"""Points to an inch, so that one SVG unit is one CSS pixel."""

RC: Any = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and zoomed
    "svg.hashsalt": "bakeoff",  # the same chart gives the same file
    "font.family": "DejaVu Sans",  # wider than what browsers show, so nothing that fits here overlaps there
    "font.size": 12,
    "axes.edgecolor": style.QUIET,
    "axes.labelcolor": style.INK,
    "text.color": style.INK,
    "xtick.color": style.QUIET,
    "ytick.color": style.QUIET,
    "xtick.labelcolor": style.INK,
    "ytick.labelcolor": style.INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "grid.color": style.GRID,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "hatch.linewidth": 0.8,
}


def svg(chart: Chart, width: int, order: list[str]) -> str:
    """Return the chart as an SVG document, `width` CSS pixels wide; `order` has all backends of the report."""
    wide = width > 600
    with matplotlib.rc_context(RC):
        layout = ConstrainedLayoutEngine()
        figure = Figure(layout=layout)
        FigureCanvasSVG(figure)
        if isinstance(chart, BarChart):
            figure.set_size_inches(width / UNIT, bar_height(chart, wide) / UNIT)
            draw_bars(figure, chart, wide=wide)
        else:
            _lines(figure, layout, chart, width, order, wide)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return out.getvalue()


def _lines(
    figure: Figure, layout: ConstrainedLayoutEngine, chart: LineChart, width: int, order: list[str], wide: bool
) -> None:
    legend = legend_height([chart], wide)
    height = line_height(chart, wide) + legend
    figure.set_size_inches(width / UNIT, height / UNIT)
    columns = min(PANEL_COLUMNS, len(chart.panels)) if wide else 1
    rows = math.ceil(len(chart.panels) / columns)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=wide).flatten()
    for i, (panel, each) in enumerate(zip(chart.panels, axes, strict=False)):
        draw_panel(each, chart, panel, order, gid=f"points-{i}", head=panel.title, wide=wide, first=i % columns == 0)
    for empty in axes[len(chart.panels) :]:
        empty.set_axis_off()
    _legend(figure, [chart], order, top=height - 4, height=height, wide=wide)
    layout.set(rect=(0, 0, 1, 1 - legend / height))


def png(charts: Sequence[LineChart], title: str, file: Path, order: list[str]) -> None:
    """Write the charts, one below the other under `title`, to a PNG file of twice the wide size.

    Raises:
        OSError: the file cannot be written.
    """
    with matplotlib.rc_context(RC | {"figure.facecolor": style.PAPER}):
        figure = stacked(charts, title, order)
        FigureCanvasAgg(figure)
        figure.savefig(file, format="png", dpi=2 * UNIT)


def stacked(charts: Sequence[LineChart], title: str, order: list[str]) -> Figure:
    """Return the charts in one figure, a row each."""
    layout = ConstrainedLayoutEngine()
    figure = Figure(layout=layout)
    words = textwrap.wrap(title, 88)
    legend, head = legend_height(charts, wide=True), 22.0 * len(words) + 14
    heights = [line_height(chart, wide=True) + 16 for chart in charts]
    height = sum(heights) + legend + head
    figure.set_size_inches(WIDE / UNIT, height / UNIT)
    columns = max(len(chart.panels) for chart in charts)
    rows = figure.subplots(len(charts), columns, squeeze=False, sharey="row", height_ratios=heights)
    for chart, row in zip(charts, rows, strict=True):
        for i, each in enumerate(row):
            if i >= len(chart.panels):
                each.set_axis_off()
                continue
            name = f"{chart.title}: {chart.panels[i].title}"
            draw_panel(each, chart, chart.panels[i], order, gid="points", head=name, wide=True, first=i == 0)
    figure.text(8 / WIDE, 1 - 10 / height, "\n".join(words), va="top", fontsize=14, fontweight="bold", linespacing=1.2)
    _legend(figure, charts, order, top=height - head, height=height, wide=True)
    layout.set(rect=(0, 0, 1, 1 - (legend + head) / height), w_pad=8 / UNIT, h_pad=8 / UNIT)
    return figure


def _legend(
    figure: Figure, charts: Sequence[LineChart], order: list[str], *, top: float, height: float, wide: bool
) -> None:
    legend = figure.legend(
        handles=by_rows(legend_handles(charts, order), legend_columns(charts, wide)),
        loc="upper left",
        bbox_to_anchor=(0, top / height),
        ncols=legend_columns(charts, wide),
        frameon=False,
        fontsize=11,
        handlelength=2.4,
        columnspacing=1.4,
        borderaxespad=0.1,
    )
    legend.set_in_layout(False)
