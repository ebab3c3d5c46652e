"""How far a build is."""

import threading
import time
from collections.abc import Callable

EMIT_INTERVAL_S = 0.1
READING, WRITING = 0.02, 0.98
"""Progress at which TensorRT takes over, and at which it hands the plan back."""

Report = Callable[[float, str], None]


class Progress:
    """Turns TensorRT's nested phases into one number that never falls, and the phase to show for it.

    TensorRT tells how many steps a phase has, not how long each takes. Nearly all of the time goes into the phase of
    tuning kernels, so that phase gets nearly all of the range.
    """

    TUNING = "from subgraph"
    TUNING_SHARE = 0.9
    SHOWN_DEPTH = 3

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._roots = _Phase(1)
        self._tuned = 0.0
        self._fraction = 0.0
        self._emitted = 0.0

    def started(self, name: str, parent: str | None, steps: int) -> None:
        """Note a phase of `steps` steps within the phase `parent`."""
        with self._lock:
            above = self._phases.get(parent or "", self._roots)
            self._phases[name] = above.begin(steps)
            self._emit()

    def stepped(self, name: str, step: int) -> None:
        """Note that a phase has done its step number `step`, counted from 0."""
        with self._lock:
            if name in self._phases:
                self._phases[name].stepped(step)
                self._emit()

    def finished(self, name: str) -> None:
        """Note the end of a phase, with or without all of its steps."""
        with self._lock:
            phase = self._phases.pop(name, None)
            if phase is not None:
                phase.finished()
                self._emit()

    def _emit(self) -> None:
        tuning = [phase for name, phase in self._phases.items() if self.TUNING in name.lower()]
        self._tuned = max([self._tuned, *(phase.fraction() for phase in tuning)])
        fraction = (1 - self.TUNING_SHARE) * self._roots.fraction() + self.TUNING_SHARE * self._tuned
        self._fraction = max(self._fraction, fraction)
        now = time.monotonic()
        if now - self._emitted >= EMIT_INTERVAL_S:
            self._emitted = now
            shown = list(self._phases)[: self.SHOWN_DEPTH]
            self._report(READING + (WRITING - READING) * self._fraction, shown[-1] if shown else "building")


class _Phase:
    """A phase of the builder: how many of its steps are done, and the phases within the present one.

    How many phases a step holds is not known before it ends, so each takes half of what is left of it.
    """

    def __init__(self, steps: int, parent: "_Phase | None" = None) -> None:
        self._steps = max(steps, 1)
        self._parent = parent
        self._done = 0
        self._within = 0.0
        self._child: _Phase | None = None

    def begin(self, steps: int) -> "_Phase":
        self._child = _Phase(steps, self)
        return self._child

    def stepped(self, step: int) -> None:
        self._done, self._within, self._child = max(self._done, step + 1), 0.0, None

    def finished(self) -> None:
        if self._parent is not None and self._parent._child is self:
            self._parent._within += (1 - self._parent._within) / 2
            self._parent._child = None

    def fraction(self) -> float:
        """Return how much of the phase is done, 0 to 1."""
        within = self._within
        if self._child is not None:
            within += (1 - within) / 2 * self._child.fraction()
        return min(1.0, (self._done + within) / self._steps)
