"""A report before it is Markdown or a page: both are made of the same words, tables and charts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.report.charts import Chart


@dataclass(frozen=True)
class Table:
    """Cells in Markdown, a line break where there may be one; columns from `right` on hold numbers."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: int | None = None
    title: str = ""


@dataclass(frozen=True)
class Section:
    """One part of a report.

    Attributes:
        text: Markdown.
        page_only: left out of `report.md`, which is short.
        folded: shown on the page only when asked for.
    """

    title: str
    text: str = ""
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    page_only: bool = False
    folded: bool = False


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        title: the outcome in a few words.
        decision: the outcome in one or two sentences, Markdown.
        about: what was measured, in one line, Markdown.
        warnings: what a reader must know before the figures, Markdown.
        backends: all of them, in the order in which colours are given to those that have none of their own.
    """

    title: str
    decision: str
    about: str
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
    backends: tuple[str, ...] = field(default=())

    @property
    def charts(self) -> list[Chart]:
        """All charts, in their order."""
        return [chart for section in self.sections for chart in section.charts]


def plain(text: str) -> str:
    """Return somebody else's words, such as an error message, as Markdown that shows them as they are."""
    return re.sub(r"([\\`*<\[])", r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Return `text` as Markdown code."""
    return f"`{text.replace('`', chr(39))}`"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 round`, `5 rounds`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
