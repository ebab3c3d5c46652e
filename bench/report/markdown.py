"""A report as Markdown that reads well as plain text too."""

from collections.abc import Sequence

from bench.report import charts
from bench.report.charts import BarChart
from bench.report.document import Document, Section, Table


def render(document: Document) -> str:
    """Return `report.md`: the decision first; bars become tables, and curves are left to the page."""
    parts = [f"# {document.title}", f"**{document.decision}**", document.about]
    parts += [f"> {warning}" for warning in document.warnings]
    parts += [_section(section) for section in document.sections if not section.page_only]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(section: Section) -> str:
    parts = [section.text, *(table(each) for each in section.tables)]
    for chart in section.charts:
        if isinstance(chart, BarChart):
            heads, rows = charts.table(chart)
            parts += [chart.caption, table(Table(heads, rows, right=len(heads) - len(chart.parts) - 1))]
    body = "\n\n".join(part for part in parts if part)
    return f"## {section.title}\n\n{body}" if body else ""


def table(table: Table) -> str:
    """Return a Markdown table with its columns in line; numbers are right-aligned."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (table.heads, *table.rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(table.heads))]

    def numeric(column: int) -> bool:
        return table.right is not None and column >= table.right

    def line(row: Sequence[str]) -> str:
        padded = [cell.rjust(widths[i]) if numeric(i) else cell.ljust(widths[i]) for i, cell in enumerate(row)]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + ":" if numeric(i) else "-" * width for i, width in enumerate(widths)]
    head = [f"{table.title}:\n"] if table.title else []
    return "\n".join([*head, line(cells[0]), "| " + " | ".join(rule) + " |", *(line(row) for row in cells[1:])])
