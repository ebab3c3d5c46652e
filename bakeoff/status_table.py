"""What `bakeoff status` shows: what the page at port 8002 shows, from the same two documents."""

import time
from datetime import timedelta
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bakeoff import stack
from server.live.history import History, read_history
from server.model.artifacts import STAND_IN
from server.readiness import Document, read_document
from server.settings import Settings
from server.state import HISTORY, READINESS

REFRESH_S = 0.5
START_GRACE_S = 3.0
"""How long after its start the stack may have left no trace of itself yet."""

GIB = 2**30
HEADINGS = ("backend", "state", "elapsed", "images/s", "p50 / p99 ms", "queue ms", "error", "address")
NUMBERS = ("elapsed", "images/s", "p50 / p99 ms", "queue ms")
STYLES = {"ready": "green", "skipped": "dim", "failed": "red"}


def show(settings: Settings, console: Console) -> bool:
    """Print the table once; return whether the container is ready."""
    document = read_document(READINESS.at(settings.bakeoff_home))
    console.print(_render(document, _history(settings)))
    return bool(document["ready"])


def watch(settings: Settings, console: Console) -> None:
    """Show the table live until Ctrl-C."""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            document = read_document(READINESS.at(settings.bakeoff_home))
            live.update(_render(document, _history(settings)), refresh=True)
            time.sleep(REFRESH_S)


def wait_until_ready(settings: Settings, console: Console) -> str | None:
    """Show the table live until everything is ready; return None then, or else why it cannot be."""
    started = time.monotonic()
    seen: dict[str, str] = {}
    with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:
        while True:
            document = read_document(READINESS.at(settings.bakeoff_home))
            if console.is_terminal:
                live.update(_render(document, _history(settings)), refresh=True)
            else:
                _print_changes(document, seen, console)
            if document["ready"]:
                return None
            if failed := [
                f"{name}: {backend['reason']}"
                for name, backend in document["backends"].items()
                if backend["state"] == "failed" and backend["required"]
            ]:
                return f"bakeoff: failed: {'; '.join(failed)}"
            if time.monotonic() - started > START_GRACE_S and stack.running(settings) is None:
                return (
                    f"bakeoff: failed: the stack is not running; its log is {settings.home.root / 'log' / 'stack.log'}"
                )
            time.sleep(REFRESH_S)


def _print_changes(document: Document, seen: dict[str, str], console: Console) -> None:
    for name, backend in document["backends"].items():
        line = backend["state"]
        if backend["state"] == "compiling":
            line += f" {int(backend['progress'] * 10) * 10} %"
        if seen.get(name) != line:
            seen[name] = line
            detail = f": {backend['reason']}" if backend["reason"] else ""
            console.print(f"{name}: {line}{detail}", soft_wrap=True, markup=False)


def _history(settings: Settings) -> History:
    return read_history(HISTORY.at(settings.bakeoff_home))


def _render(document: Document, history: History) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # fits 80 columns
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in NUMBERS else "left", overflow="fold")
    for name, backend in document["backends"].items():
        state = Text(backend["state"], style=STYLES.get(backend["state"], "yellow"))
        if backend["state"] == "skipped":
            table.add_row(name, state)
            continue
        ready = backend["state"] == "ready"
        elapsed = str(timedelta(seconds=round(backend["elapsed_s"])))
        figures = (*_figures(history, name), _parity(backend["parity"])) if ready else ("", "", "", "")
        table.add_row(name, state, elapsed, *figures, backend["url"].removeprefix("http://"))
    lines: list[RenderableType] = [table] if document["backends"] else []
    for name, backend in document["backends"].items():
        if backend["state"] not in ("ready", "skipped", "failed"):
            lines.append(_progress(name, backend))
        if backend["reason"]:
            lines.append(Text(f"{name}: {backend['reason']}", style="dim"))
        if timeline := _timeline(backend):
            lines.append(Text(f"{name}: {timeline}", style="dim"))
    if document["backends"]:
        lines.append(Text(_model(document["model"]), style="dim"))
    if machine := _machine(history):
        lines.append(Text(machine, style="dim"))
    if kept := document.get("kept"):
        lines.append(Text(_kept(kept), style="yellow" if kept["outranked"] else "dim"))
    answer = Text("ready", style="bold green") if document["ready"] else Text("not ready", style="bold yellow")
    if note := document.get("note"):
        answer.append(f": {note}", style="not bold")
    if warning := document["model"].get("note"):
        lines.append(Text(f"model: {warning}; {STAND_IN}", style="yellow"))
    return Group(*lines, answer)


def _kept(kept: dict[str, Any]) -> str:
    """Return what is kept, who said so and why, and how far that is."""
    if kept["outranked"]:
        return str(kept["outranked"])
    words = f"kept: {', '.join(kept['backends'])}, by {kept['by']} on {kept['when'][:10]}"
    words += f", because of {kept['result']}" if kept["result"] else ""
    words += f": {kept['sentence']}" if kept["sentence"] else ""
    waits = f"waiting for {kept['waits_for']}" if kept["waits_for"] else ""
    return "; ".join(filter(None, [words.rstrip("."), waits, *(f"{name} is ending" for name in kept["ending"])]))


def _progress(name: str, backend: dict[str, Any]) -> RenderableType:
    row = Table.grid(padding=(0, 2, 0, 0))
    words = [f"{backend['progress']:.0%}" if backend["progress"] else "", backend["phase"] or ""]
    if (remaining := backend.get("remaining_s")) is not None:
        words.append(f"about {remaining:.0f} s left")
    row.add_row(name, ProgressBar(total=1, completed=backend["progress"], width=20), "  ".join(filter(None, words)))
    return row


def _timeline(backend: dict[str, Any]) -> str:
    """Return how long the backend was in each state of this start that it has left."""
    return " · ".join(f"{state} {seconds:.1f} s" for state, seconds in backend["timings_s"].items())


def _figures(history: History, name: str) -> tuple[str, str, str]:
    """Return the last images/s, percentiles and queue of a backend."""
    columns = history.get("backends", {}).get(name, {})
    last = {column: values[-1] if values else None for column, values in columns.items()}
    percentiles = [last.get(column) for column in ("p50_ms", "p99_ms")]
    return (
        _number(last.get("images_per_s")),
        " / ".join(map(_number, percentiles)) if None not in percentiles else "-",
        _number(last.get("queue_ms")),
    )


def _parity(parity: dict[str, dict[str, float]] | None) -> str:
    """Return the agreement that is nearest to its bound."""
    if not parity:
        return "-"
    worst = max(parity.values(), key=lambda agreement: agreement["error"] / agreement["error_bound"])
    return f"{worst['error']:.1g}"


def _model(model: dict[str, Any]) -> str:
    words = (f"{model['architecture']}, {model['pretrained']} weights", model["precision"].upper(), model["device"])
    return f"{', '.join(words)}, batches up to {model['max_batch_size']}"


def _machine(history: History) -> str:
    last = {column: values[-1] for column, values in history.get("machine", {}).items() if values}
    words = [
        f"GPU {last['gpu']:.0%} busy" if last.get("gpu") is not None else "",
        f"{last['gpu_memory'] / GIB:.1f} GiB of GPU memory" if last.get("gpu_memory") is not None else "",
        f"processors {last['cpu']:.0%} busy" if last.get("cpu") is not None else "",
        f"{last['memory'] / GIB:.1f} GiB of memory" if last.get("memory") is not None else "",
    ]
    return ", ".join(filter(None, words))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"
