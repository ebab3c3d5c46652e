"""The verbs of `bakeoff`, each a thin layer over the package that does the work."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from bakeoff import engine, stack, status_table
from bakeoff.bench import bench
from bakeoff.console import console, errors
from bakeoff.console import read_settings as _settings
from bakeoff.console import stop as _stop
from bakeoff.keep import keep
from bakeoff.report import report
from server.home import PHOTOS, ROOT

app = typer.Typer(
    help="Serve OpenCLIP ViT-B/32 embeddings three ways, prove that they agree, measure them, name the winner.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(engine.app)


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return at once; follow with `bakeoff status --wait`.")
    ] = False,
) -> None:
    """Start the stack (in the foreground; Ctrl-C stops it)."""
    settings = _settings()
    if detach:
        log = stack.start_detached(settings)
        console.print(f"starting; its log is {log}", soft_wrap=True, markup=False)
    else:
        stack.run_in_foreground()


@app.command()
def down() -> None:
    """Stop the stack that runs in this BAKEOFF_HOME."""
    console.print("stopped" if stack.stop(_settings()) else "nothing runs here")


@app.command()
def status(
    wait: Annotated[
        bool, typer.Option("--wait", help="Stay until everything is ready (exit 0) or cannot be (exit 1).")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay until Ctrl-C.")] = False,
) -> None:
    """Show state, progress, elapsed time and URL of each backend."""
    settings = _settings()
    if wait:
        problem = status_table.wait_until_ready(settings, console)
        if problem:
            _stop(problem)
    elif watch:
        status_table.watch(settings, console)
    elif not status_table.show(settings, console):
        raise typer.Exit(1)


@app.command()
def health() -> None:
    """Exit 0 when the container is ready, seen live, else 1 with the reason."""
    from bakeoff.health import main

    raise typer.Exit(main())


@app.command()
def preflight() -> None:
    """Check packages, driver, GPU, memory, shared memory, ports, disk, tritonserver and model, each with its remedy."""
    from server.preflight import run_checks

    findings = run_checks(_settings())
    marks = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}
    for finding in findings:
        remedy = f"; {finding.remedy}" if finding.remedy else ""
        console.print(f"{marks[finding.level]} {escape(f'{finding.subject}: {finding.found}{remedy}')}", soft_wrap=True)
    failed = [finding.subject for finding in findings if finding.level == "fail"]
    if failed:
        _stop(f"bakeoff: failed: preflight: {', '.join(failed)} (see above)")


@app.command()
def export() -> None:
    """Make the weights, the ONNX files and the reference embeddings, unless they are there already."""
    from server.model.artifacts import STAND_IN, ModelError
    from server.model.ensure import ensure_model

    settings = _settings()
    try:
        model = ensure_model(settings, lambda line: console.print(line, soft_wrap=True, markup=False))
    except ModelError as error:
        _stop(f"bakeoff: failed: {error}")
    except OSError as error:
        _stop(f"bakeoff: failed: {error}; free some space or set BAKEOFF_HOME to a folder that can be written")
    if model.note:
        errors.print(f"[yellow]warning[/]: {escape(model.note)}; {STAND_IN}", soft_wrap=True)


app.command()(bench)


@app.command("bench-server")
def bench_server(
    url: Annotated[str | None, typer.Option(help="Base URL of port 8002 on this machine.")] = None,
    seconds: Annotated[float, typer.Option(help="Length of each measurement.")] = 4.0,
    results: Annotated[Path, typer.Option(help="Folder for the result.")] = ROOT / "results",
) -> None:
    """Measure the PyTorch server alone, beside what this machine can do in process."""
    from bench.errors import BenchError
    from bench.server.run import run
    from server.backend_addresses import pytorch_url

    settings = _settings()
    try:
        run(url or pytorch_url(settings), PHOTOS, results, seconds, console)
    except BenchError as error:
        _stop(f"bakeoff: failed: {error}")


@app.command()
def soak(
    images: Annotated[int, typer.Option(help="Images to embed and check.")] = 20_000,
    processes: Annotated[int, typer.Option(help="Client processes.")] = 1,
    connections: Annotated[int, typer.Option(help="Connections of each process.")] = 8,
    url: Annotated[str | None, typer.Option(help="Base URL of port 8002 on this machine.")] = None,
) -> None:
    """Send the PyTorch server images of all kinds for long, check every embedding, and watch its memory."""
    from bench.errors import BenchError
    from bench.server.soak import problems
    from bench.server.soak import soak as run
    from server.backend_addresses import pytorch_url

    settings = _settings()
    try:
        document = run(url or pytorch_url(settings), PHOTOS, images, processes, connections, console)
    except BenchError as error:
        _stop(f"bakeoff: failed: {error}")
    console.print_json(data=document)
    if found := problems(document):
        _stop(f"bakeoff: failed: {'; '.join(found)}")


app.command()(report)
app.command()(keep)
