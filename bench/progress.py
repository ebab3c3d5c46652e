"""What a person sees while the benchmark runs: a live view on a terminal, plain lines elsewhere."""

import time
from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.figures import number, optional
from bench.windows import Window

LAST = 8
"""Windows whose figures stay in view."""

REFRESH_PER_S = 2
"""Drawing takes CPU from what is measured."""


class RunProgress:
    """Shows what is running, about how long it will take, and the last figures; a context manager."""

    def __init__(self, console: Console, budget_s: float) -> None:
        """Prepare to show a run of about `budget_s` seconds on `console`."""
        self._console = console
        self._began = time.monotonic()
        self._ends = self._began + budget_s
        self._doing = "starting"
        self._last: deque[Window] = deque(maxlen=LAST)
        self._live = Live(get_renderable=self._view, console=console, refresh_per_second=REFRESH_PER_S, transient=True)

    def __enter__(self) -> Self:
        """Start showing."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        self._live.stop()

    def step(self, text: str) -> None:
        """Say what begins now; a line of its own where there is no terminal."""
        self._doing = text
        if not self._console.is_terminal:
            self.note(text)

    def window(self, text: str, left_s: float | None) -> None:
        """Say which window runs, and about how many seconds are left for windows in all, where that is known."""
        self._doing = text
        if left_s is not None:
            self._ends = time.monotonic() + left_s

    def finished(self, window: Window) -> None:
        """Show a window's figures."""
        self._last.append(window)

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def _view(self) -> Group:
        now = time.monotonic()
        left = max(0.0, self._ends - now)
        table = Table("scenario", "backend", "images/s", "p50 ms", "p99 ms", "failed", box=None, padding=(0, 2, 0, 0))
        for window in self._last:
            offered = f" at {number(window.offered_per_s)}/s" if window.offered_per_s else ""
            table.add_row(
                f"{window.scenario.title}{offered}",
                window.backend,
                number(window.images_per_s),
                optional(window.p50_ms),
                optional(window.p99_ms),
                str(window.failures or "-"),
            )
        return Group(
            table,
            Text(self._doing, style="bold", no_wrap=True, overflow="ellipsis"),
            ProgressBar(total=now - self._began + left, completed=now - self._began),
            Text(f"about {left:.0f} s left; Ctrl-C keeps the complete rounds"),
        )
