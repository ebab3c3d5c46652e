"""`bakeoff engine`: build the TensorRT engine ahead of a start, and look after the engines that are kept."""

import signal
import threading
from typing import Annotated, NoReturn

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from bakeoff.console import console, read_settings, stop
from server.hardware import resolve
from server.model import artifacts
from server.model.artifacts import ModelError
from server.model.ensure import exported
from server.settings import SettingsError
from server.tensorrt.builder_process import BuildCancelled, BuildFailed
from server.tensorrt.cache import PlanCache, PlanFile
from server.tensorrt.plans import GB, ensure_plan

MB = 10**6

app = typer.Typer(name="engine", help="Build, inspect, list and prune TensorRT engines.", no_args_is_help=True)


@app.command()
def build() -> None:
    """Build the engine for the exported model on this machine, unless the cache has it."""
    settings = read_settings()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    times = (TimeElapsedColumn(), TextColumn("about"), TimeRemainingColumn(), TextColumn("left"))
    try:
        model = exported(settings)
        if model is None:
            _fail(f"no model has been exported for PRETRAINED={settings.pretrained} here; run `bakeoff export` first")
        precision = resolve(settings).precision
        onnx = model.onnx[artifacts.graph_precision(precision)]
        with Progress(*columns, *times, console=console) as bar:
            task = bar.add_task("starting", total=1.0)

            def report(progress: float, phase: str) -> None:
                bar.update(task, completed=progress, description=phase)

            plan = ensure_plan(settings, onnx, precision, report, stopping)
            report(1.0, "done")
    except BuildCancelled:
        _fail("cancelled; nothing half-built is left")
    except (SettingsError, ModelError, BuildFailed) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error}; free some space or set BAKEOFF_HOME to a folder that can be written")
    console.print(_title(plan), soft_wrap=True)
    console.print(plan.path, soft_wrap=True, markup=False)


@app.command()
def inspect(
    key: Annotated[str | None, typer.Argument(help="The engine's key; the most recently used when left out.")] = None,
) -> None:
    """Print an engine's tensors and profiles, and its network's layers by precision and size."""
    cache = PlanCache(read_settings().home.engines)
    plan = cache.find(key) if key else next(cache.plans(), None)
    if plan is None:
        _fail(f"no whole engine{f' {key}' if key else ''} is kept; see `bakeoff engine list`")
    manifest = plan.manifest
    console.print(_title(plan), soft_wrap=True)
    tensors = Table("tensor", "mode", "type", "shape", title="Tensors")
    for tensor in manifest.tensors:
        tensors.add_row(tensor["name"], tensor["mode"], tensor["type"], str(tensor["shape"]))
    profiles = Table("profile", "smallest", "tuned for", "largest", title="Optimization profiles, by batch size")
    for index, profile in enumerate(manifest.identity.profiles):
        profiles.add_row(str(index), *map(str, profile))
    layers = Table("layers", "type", "count", "MB", title="Layers of the network, before TensorRT fuses them")
    for row in sorted(manifest.layers, key=lambda row: (row["type"], -row["bytes"], -row["count"])):
        size = f"{row['bytes'] / MB:.1f}" if row["bytes"] else ""
        layers.add_row(row["layer"].lower(), row["type"], str(row["count"]), size)
    for table in (tensors, profiles, layers):
        console.print(table)


@app.command("list")
def list_engines() -> None:
    """List the engines that are kept, the most recently used first."""
    table = Table("key", "for", "TensorRT", "precision", "largest batch", "MB", "build", "built", box=None)
    table.columns[0].no_wrap = True
    for plan in PlanCache(read_settings().home.engines).plans():
        manifest, identity = plan.manifest, plan.manifest.identity
        table.add_row(
            manifest.key,
            f"{identity.gpu} ({identity.compute_capability})" if identity.gpu else "any GPU",
            identity.tensorrt,
            identity.precision.upper(),
            str(identity.profiles[-1][-1]),
            f"{manifest.size / MB:.0f}",
            f"{manifest.build_seconds:.1f} s",
            manifest.built_at,
        )
    console.print(table if table.row_count else "no engine is kept yet; `bakeoff engine build` makes one")


@app.command()
def prune(
    keep_gb: Annotated[float | None, typer.Option(min=0, help="GB to keep, instead of ENGINE_CACHE_GB.")] = None,
) -> None:
    """Remove the engines not used for longest, beyond the size that is kept."""
    settings = read_settings()
    limit = settings.engine_cache_gb if keep_gb is None else keep_gb
    removed = PlanCache(settings.home.engines).prune(int(limit * GB))
    console.print(f"removed: {', '.join(removed) or 'nothing'}", soft_wrap=True)


def _title(plan: PlanFile) -> str:
    manifest = plan.manifest
    return (
        f"{manifest.key}: {manifest.identity.tensorrt}, {manifest.identity.precision.upper()}, "
        f"{manifest.size / MB:.0f} MB, built {manifest.built_at} in {manifest.build_seconds:.1f} s"
    )


def _fail(message: str) -> NoReturn:
    stop(f"bakeoff: failed: {message}")
