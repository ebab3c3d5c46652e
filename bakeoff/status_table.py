"""The live table of `bakeoff status`."""

import time
from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bakeoff import stack
from server.gate.document import Document, read_document
from server.home import state_file
from server.settings import Settings

REFRESH_S = 0.5
START_GRACE_S = 3.0
"""How long after its start the stack may have left no trace of itself yet."""

STYLES = {"ready": "green", "skipped": "dim", "failed": "red"}


def show(settings: Settings, console: Console) -> bool:
    """Print the table once; return whether the container is ready."""
    document = read_document(state_file(settings.bakeoff_home))
    console.print(_render(document))
    return bool(document["ready"])


def watch(settings: Settings, console: Console) -> None:
    """Show the table live until Ctrl-C."""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(_render(read_document(state_file(settings.bakeoff_home))), refresh=True)
            time.sleep(REFRESH_S)


def wait_until_ready(settings: Settings, console: Console) -> str | None:
    """Show the table live until everything is ready; return None then, or else why it cannot be."""
    started = time.monotonic()
    seen: dict[str, str] = {}
    with Live(console=console, auto_refresh=False, transient=not console.is_terminal) as live:
        while True:
            document = read_document(state_file(settings.bakeoff_home))
            if console.is_terminal:
                live.update(_render(document), refresh=True)
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
            console.print(f"{name}: {line}{detail}", soft_wrap=True)


def _render(document: Document) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("backend", "state", "progress", "elapsed", "url"):
        table.add_column(heading, justify="right" if heading == "elapsed" else "left", overflow="fold")
    for name, backend in document["backends"].items():
        state = Text(backend["state"], style=STYLES.get(backend["state"], "yellow"))
        if backend["state"] == "skipped":
            table.add_row(name, state, Text(backend["reason"], style="dim"), "", "")
            continue
        bar = ProgressBar(total=1, completed=backend["progress"], width=20)
        elapsed = str(timedelta(seconds=round(backend["elapsed_s"])))
        table.add_row(name, state, bar, elapsed, backend["url"])
        for detail in filter(None, (backend["phase"], backend["reason"])):
            table.add_row("", "", Text(detail, style="dim"), "", "")
    answer = Text("ready", style="bold green") if document["ready"] else Text("not ready", style="bold yellow")
    lines: list[RenderableType] = [table] if document["backends"] else []
    if note := document.get("note"):
        answer.append(f": {note}", style="not bold")
    if warning := document["model"].get("note"):
        lines.append(Text(f"model: {warning}", style="yellow"))
    return Group(*lines, answer)
