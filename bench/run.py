"""One run of the benchmark, from asking the stack what it serves to the report."""

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import report
from bench.client import Client
from bench.errors import BenchError
from bench.figures import speed
from bench.machine import this_machine
from bench.measurement import Measurement, iso
from bench.options import BenchOptions
from bench.photos import load_photos
from bench.progress import RunProgress
from bench.result import FILE, Photos, Result, RunSettings
from bench.targets import Stack, discover
from bench.verdicts import summarise


def run_benchmark(options: BenchOptions, console: Console) -> Path:
    """Measure every ready backend and write the result and the report.

    Progress and the decision are printed on `console`. Ctrl-C ends the run early; its complete rounds are kept.

    Returns:
        The run's folder under `options.results`, named by the UTC time of its start, holding `result.json` (schema:
        `Result`) and `report.md`. It appears in one step, complete.

    Raises:
        BenchError: there is nothing to measure, or nothing was measured; the message says what to do.
    """
    began = time.monotonic()
    started = datetime.now(UTC)
    photos = load_photos(options.photos, options.max_photos)
    stack = discover(options.ready_url)
    with ExitStack() as open_clients:
        clients = {
            target.name: open_clients.enter_context(Client(str(target.url), options.timeout_s))
            for target in stack.ready
        }
        stack = _with_servers(stack, clients)
        run = Measurement(options, stack, clients, photos, began)
        with RunProgress(console, run.window_count) as progress:
            run.measure(progress)
    windows = run.complete_windows()
    if not windows:
        raise BenchError("interrupted before the first round was complete; nothing was kept")
    disagreeing = {each.backend for each in (*run.before, *run.after) if each.agrees is False}
    result = Result(
        started=iso(started),
        finished=iso(datetime.now(UTC)),
        command=options.command or shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        interrupted=run.interrupted,
        complete_rounds=run.complete_rounds,
        machine=this_machine(),
        model=stack.model,
        settings=RunSettings(
            quick=options.quick,
            seed=options.seed,
            rounds=options.round_count,
            min_requests=options.min_requests,
            window_s=None if options.quick else options.window_s,
            quick_budget_s=options.quick_budget_s if options.quick else None,
            timeout_s=options.timeout_s,
            ready_url=options.ready_url,
        ),
        photos=Photos(
            folder=str(options.photos),
            found=photos.found,
            used=len(photos.photos),
            bytes=sum(len(photo.data) for photo in photos.photos),
            names=tuple(photo.name for photo in photos.photos),
        ),
        backends=stack.targets,
        scenarios=run.scenarios,
        parity_before=tuple(run.before),
        parity_after=tuple(run.after),
        windows=windows,
        summary=summarise(windows, tuple(clients), run.scenarios, disagreeing, options.seed),
    )
    folder = write(result, options.results)
    _print(result, folder, console)
    return folder


def write(result: Result, results: Path) -> Path:
    """Write a run's folder under `results` in one step and return it.

    Raises:
        BenchError: the folder cannot be written.
    """
    name = result.started.replace(":", "-")
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=results, prefix=".run-", ignore_cleanup_errors=True) as temporary:
            made = Path(temporary) / "run"
            made.mkdir()
            (made / FILE).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
            (made / "report.md").write_text(report.render(result), encoding="utf-8")
            for file in made.iterdir():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            for number in range(1, 1000):
                folder = results / (name if number == 1 else f"{name}-{number}")
                if not folder.exists():
                    return made.rename(folder)
    except OSError as error:
        raise BenchError(f"the result cannot be written to {results} ({error}); give another folder") from error
    raise BenchError(f"{results} holds too many runs named {name}; give another folder")


def _with_servers(stack: Stack, clients: Mapping[str, Client]) -> Stack:
    targets = []
    for target in stack.targets:
        if target.name in clients:
            try:
                target = target.model_copy(update={"server": clients[target.name].server()})
            except Exception as error:
                raise BenchError(
                    f"{target.name} does not answer at {target.url} ({error}), though the stack says that it is ready; "
                    "see `bakeoff status`"
                ) from error
        targets.append(target)
    return stack.model_copy(update={"targets": tuple(targets)})


def _print(result: Result, folder: Path, console: Console) -> None:
    table = Table("scenario", "winner", *result.measured, caption="images/s, median of rounds (95 % interval)")
    for verdict in result.summary.verdicts:
        points = {p.backend: p for p in result.summary.points if p.scenario == verdict.scenario}
        speeds = [speed(points[name]) for name in result.measured]
        table.add_row(verdict.scenario.title, report.verdict_words(verdict), *speeds)
    console.print(table)
    for warning in report.warnings(result):
        console.print(warning.replace("**", ""), style="yellow", markup=False, highlight=False)
    console.print(result.summary.decision, style="bold", markup=False, highlight=False)
    console.print(f"report: {folder / 'report.md'}", markup=False, highlight=False, soft_wrap=True)
