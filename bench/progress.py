"""What a person sees while the benchmark runs: a live line on a terminal, plain lines elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn


class RunProgress:
    """Shows what is running, how far the run is and about how long it will take; a context manager."""

    def __init__(self, console: Console, windows: int) -> None:
        """Prepare to show a run of `windows` windows on `console`."""
        self._console = console
        self._windows = windows
        self._done = 0
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} windows  {task.fields[left]}  {task.fields[last]}"),
            console=console,
            refresh_per_second=2,  # drawing takes CPU from what is measured
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Start showing."""
        self._bar.start()
        self._task = self._bar.add_task("starting", total=self._windows, left="", last="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        self._bar.stop()

    def step(self, text: str) -> None:
        """Say what begins now; a line of its own where there is no terminal."""
        if self._console.is_terminal:
            self._update(description=text)
        else:
            self.note(text)

    def window(self, text: str, left_s: float) -> None:
        """Say which window runs, and about how many seconds are left in all."""
        self._update(description=text, left=f"about {max(1, round(left_s))} s left")

    def finished(self, text: str) -> None:
        """Count a window as done and show its figure."""
        self._done += 1
        self._update(completed=self._done, last=text)

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def _update(self, **fields: object) -> None:
        if self._task is not None:
            self._bar.update(self._task, **fields)  # type: ignore[arg-type]
