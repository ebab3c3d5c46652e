"""Finds things in a report's Markdown."""

import re


def cells(report: str, *starts: str) -> list[str]:
    """Return the cells of the table row that begins with `starts`."""
    for line in report.splitlines():
        row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if row[: len(starts)] == list(starts) and len(row) > len(starts):
            return row
    raise AssertionError(f"no row {starts}")


def section(report: str, title: str) -> str:
    return report.split(f"## {title}\n")[1].split("\n## ")[0]
