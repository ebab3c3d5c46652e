"""A report as one self-contained page: no file beside it, no request to anywhere, no script."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from bench.figures import number
from bench.report import charts, style
from bench.report.charts import BarChart, Chart, LineChart
from bench.report.document import Document
from bench.report.draw import NARROW, WIDE, svg
from bench.report.inline import inline

LONG = 44
"""Characters from which on a line of a cell may break."""

NAME = 14
"""Characters from which on a row's name may break, and is given room."""


def _markdown(**options: bool) -> MarkdownIt:
    """Return a renderer that shows HTML, links and pictures in somebody's words instead of obeying them."""
    return MarkdownIt("commonmark", {"html": False, **options}).disable(["link", "image", "autolink", "reference"])


_BLOCKS, _WORDS = _markdown(), _markdown(breaks=True)


def _bound(text: str) -> str:
    """Keep a percent sign on the line of its number."""
    return text.replace(" %", "\u00a0%")


_TEMPLATES = Environment(
    loader=PackageLoader("bench.report"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_TEMPLATES.filters["blocks"] = lambda text: Markup(_BLOCKS.render(_bound(text)))  # noqa: S704 -- escaped by the renderer
_TEMPLATES.filters["words"] = lambda text: Markup(_WORDS.renderInline(_bound(text)))  # noqa: S704


_TEMPLATES.tests["long"] = lambda cell: max(map(len, cell.split("\n"))) > LONG
_TEMPLATES.tests["name"] = lambda cell: len(cell) > NAME


def render(document: Document) -> str:
    """Return `report.html`."""
    order = list(document.backends)
    return _TEMPLATES.get_template("report.html.j2").render(
        document=document,
        variables=list(style.variables().values()),
        pictures={chart.key: _pictures(chart, order) for chart in document.charts},
        tables={chart.key: charts.table(chart) for chart in document.charts},
        marks={chart.key: _marks(chart) for chart in document.charts},
    )


def _pictures(chart: Chart, order: list[str]) -> dict[str, Markup]:
    values = _values(chart) if isinstance(chart, LineChart) else {}
    label = f"{chart.title}: a chart; the table below it has its numbers."
    return {
        name: Markup(inline(svg(chart, width, order), f"{chart.key}-{name}", label, values))  # noqa: S704
        for name, width in (("wide", WIDE), ("narrow", NARROW))
    }


def _values(chart: LineChart) -> dict[str, list[str]]:
    """Return by a line's id what is shown when somebody points at one of its points."""
    return {
        f"points-{i}-{j}": [
            f"{series.name}: {number(spot.y)} ({chart.y_label}) at {charts.x_text(chart, spot.x)} ({chart.x_label})"
            for spot in series.spots
        ]
        for i, panel in enumerate(chart.panels)
        for j, series in enumerate(panel.series)
    }


def _marks(chart: Chart) -> list[tuple[str, str, str]]:
    if isinstance(chart, BarChart):
        return []
    return [(charts.MARK_LETTERS[mark], mark, charts.MARK_WORDS[mark]) for mark in chart.marks]
