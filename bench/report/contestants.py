"""Tells what answered under a backend's name, where that is not what the name promises, wherever the name is a table's."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.report.document import Document, Table, plain
from bench.result import Result


def contestants(result: Result, form: str = "{} ({})") -> dict[str, str]:
    """Return by measured backend its name with what it was, in `form`; without those of which the name says enough."""
    return {
        target.name: form.format(target.name, plain(target.contestant))
        for target in result.backends
        if target.name in result.measured and target.contestant
    }


def named(document: Document, names: Mapping[str, str]) -> Document:
    """Return the document with the names of tables' columns and rows replaced."""
    if not names:
        return document
    sections = [
        replace(section, tables=tuple(_named(table, names) for table in section.tables))
        for section in document.sections
    ]
    return replace(document, sections=tuple(sections))


def _named(table: Table, names: Mapping[str, str]) -> Table:
    def row(cells: Sequence[str]) -> list[str]:
        return [names.get(cell, cell) for cell in cells]

    return replace(table, heads=row(table.heads), rows=[row(cells) for cells in table.rows])
