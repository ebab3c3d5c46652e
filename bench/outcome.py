"""The outcome of a run on the console: one table, what must be known before the figures, and the decision."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import report
from bench.figures import interval
from bench.report import keeping
from bench.result import Result


def show(result: Result, folder: Path, console: Console) -> None:
    """Print it."""
    console.print(_table(result))
    for warning in report.warnings(result):
        console.print(warning.replace("**", ""), style="yellow", markup=False, highlight=False)
    console.print(result.summary.decision, style="bold", markup=False, highlight=False)
    console.print(
        f"report: {folder / 'report.md'}, with pictures: {folder / 'report.html'}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"{keeping.words(result)}: {' or '.join(keeping.commands(result, folder))}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _table(result: Result) -> Table:
    table = Table("scenario", "winner", *result.measured, "", caption="median of rounds (95 % interval); ~ not stable")
    points = {(point.scenario, point.backend): point for point in result.summary.points}
    for verdict in result.summary.verdicts:
        cells = []
        for name in result.measured:
            point = points.get((verdict.scenario, name))
            figure = point and (point.p50 if verdict.scenario.metric == "p50_ms" else point.images_per_s)
            marks = "" if point is None else ("~" if point.stable is False else "") + ("!" if point.problem else "")
            cells.append(f"{interval(figure)} {marks}".strip() if figure else "-")
        unit = "ms" if verdict.scenario.metric == "p50_ms" else "images/s"
        table.add_row(verdict.scenario.title, report.verdict_words(verdict), *cells, unit)
    return table
