"""Writes reports into folders; each file is replaced in one step."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.reference import first_team
from bench.report import comparison, curves, markdown, page
from bench.report.charts import LineChart
from bench.report.contents import contents
from bench.report.contestants import contestants
from bench.report.document import Document
from bench.report.draw import png
from bench.report.reference import with_reference
from bench.result import Result

MARKDOWN, PAGE, PICTURE = "report.md", "report.html", "report.png"

_MAIN = (
    (curves.throughput_by_batch, curves.throughput_by_concurrency),
    (curves.latency_by_rate, curves.latency_by_concurrency),
)
"""What the main picture has, from top to bottom: of each row the first that was measured."""


def write(result: Result, folder: Path, *, reference: bool = False) -> None:
    """Write `report.md`, `report.html` and `report.png` into `folder`, which exists.

    Args:
        result: what to report on.
        folder: that of the run.
        reference: draw the first team's table beside it.

    Raises:
        BenchError: a file cannot be written.
    """
    document = contents(result)
    if reference:
        document = with_reference(document, first_team())
    _write(document, folder)
    picture(result, folder / PICTURE)


def write_comparison(named: Sequence[tuple[str, Result]], folder: Path) -> None:
    """Write the comparison of several runs into `folder`, which is made.

    Raises:
        BenchError: the runs cannot be compared, or a file cannot be written.
    """
    document = comparison.compare(named)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"{folder} cannot be made ({error.strerror}); give another with --output") from error
    _write(document, folder)


def picture(result: Result, file: Path) -> bool:
    """Write the main picture, and tell whether there was anything to draw.

    Raises:
        BenchError: the file cannot be written.
    """
    found = (next((chart for draw in row if (chart := draw(result))), None) for row in _MAIN)
    charts: list[LineChart] = [chart for chart in found if chart]
    if charts:
        words = " ".join([result.summary.decision, *(f"{told}." for told in contestants(result, "{}: {}").values())])
        _replace(file, lambda made: png(charts, words, made, list(result.measured)))
    return bool(charts)


def _write(document: Document, folder: Path) -> None:
    for name, render in ((MARKDOWN, markdown.render), (PAGE, page.render)):  # the words first, which need no drawing
        text = render(document)
        _replace(folder / name, lambda made, text=text: made.write_text(text, encoding="utf-8"))  # type: ignore[misc]


def _replace(file: Path, fill: Callable[[Path], object]) -> None:
    made = file.with_name(f".{os.getpid()}.{file.name}")
    try:
        fill(made)
        made.replace(file)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise BenchError(
            f"{file} cannot be written ({error.strerror}); free some space or give another place"
        ) from error
