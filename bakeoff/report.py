"""`bakeoff report`: shows a run's report, draws it again, or compares runs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from bakeoff.console import console, stop
from server.home import ROOT


def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of runs; the newest when left out, a comparison with the first when several."),
    ] = None,
    with_reference: Annotated[
        bool, typer.Option("--with-reference", help="Draw the first team's published A100 table beside it, as theirs.")
    ] = False,
    png: Annotated[Path | None, typer.Option(help="Write the main picture to this file, too.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for a comparison; beside the first run when left out.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder with the runs.")] = ROOT / "results",
) -> None:
    """Show the report of a run, or compare several runs side by side."""
    from bench.errors import BenchError

    try:
        if runs and len(runs) > 1:
            if with_reference or png:
                stop("--with-reference and --png are for one run; leave them out or give one run")
            _compare(runs, output)
        else:
            _show(runs[0] if runs else _newest(results), with_reference, png)
    except BenchError as error:
        stop(f"bakeoff: failed: {error}")


def _newest(results: Path) -> Path:
    folder = max((path.parent for path in results.glob("*/result.json")), default=None)
    if folder is None:
        stop(f"no run in {results}; run `bakeoff bench` first")
    return folder


def _show(folder: Path, with_reference: bool, png: Path | None) -> None:
    from bench.report import files
    from bench.result import load_result

    result = load_result(folder)
    files.write(result, folder, reference=with_reference)
    if png and not files.picture(result, png):
        stop("this run has no curve to draw: each scenario has one load; measure `batch` or `concurrency`")
    console.print(Markdown((folder / files.MARKDOWN).read_text(encoding="utf-8")))
    console.print(f"with pictures: {folder / files.PAGE}", soft_wrap=True, markup=False)


def _compare(runs: list[Path], output: Path | None) -> None:
    from bench.report import files
    from bench.result import load_result

    named = [(folder.resolve().name, load_result(folder)) for folder in runs]
    folder = output or runs[0].resolve().parent / f"comparison-{'-and-'.join(name for name, _ in named)}"
    files.write_comparison(named, folder)
    console.print(Markdown((folder / files.MARKDOWN).read_text(encoding="utf-8")))
    console.print(f"with pictures: {folder / files.PAGE}", soft_wrap=True, markup=False)
