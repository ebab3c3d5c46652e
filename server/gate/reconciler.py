"""Making what runs what is kept: one program after the other is started or ended, while the others serve."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from server import kept
from server.backend_addresses import BackendAddress
from server.backends.interface import Backend
from server.gate.board import Board
from server.gate.driver import Driver
from server.gate.freed import Holdings
from server.gate.front import GATEWAY, accepts
from server.kept import Kept, KeptProblem, Served
from server.processes import segments
from server.processes.control import ENDING, UP, ControlError, Supervisor
from server.settings import Settings
from server.stop import stop_plan

LOOK_EVERY_S = 1.0

JOIN_S = 10.0
"""For a driver to let go of its backend; a batch that it waits for on a slow CPU takes seconds."""

MIB = 2**20

log = logging.getLogger("bakeoff.readiness")


class Reconciler:
    """Its thread alone changes the set of what runs; who else asks gets a copy."""

    def __init__(
        self,
        table: Sequence[Backend],
        board: Board,
        supervisor: Supervisor,
        settings: Settings,
        make_driver: Callable[[Backend], Driver],
    ) -> None:
        """Take note; `step` does the work.

        Args:
            table: every backend that may run, in the fixed order.
            board: has those that are served.
            supervisor: starts and ends programs.
            settings: of the stack.
            make_driver: returns what drives a backend, in a thread of its own.
        """
        self._table = table
        self._board = board
        self._supervisor = supervisor
        self._settings = settings
        self._make_driver = make_driver
        reasons = {backend.address.name: backend.unavailable_reason() for backend in table}
        self._unavailable = {name: reason for name, reason in reasons.items() if reason}
        self._drivers: dict[str, threading.Thread] = {}
        self._served: list[Backend] = []
        self._kept: Kept | None = None
        self._wanted: Served | None = None
        self._settled = False
        self._ended: dict[str, int | None] = {}
        self._said: str | None = None
        self._closing = False

    def run(self, stopping: threading.Event) -> None:
        """Look until the gate stops."""
        while not stopping.wait(LOOK_EVERY_S):
            try:
                self.step()
            except Exception as error:  # what is served is served on, whatever nobody foresaw here
                self._say(f"what is kept cannot be carried out: {error!r}")

    def served(self) -> list[BackendAddress]:
        """Return the backends that are served."""
        return [backend.address for backend in self._served]

    def let_go(self) -> None:
        """Have every driver end, and begin none any more; for a stop of the gate."""
        self._closing = True
        for backend in self._table:
            backend.stopping.set()

    def join(self, seconds: float) -> None:
        """Wait for the drivers, `seconds` at most."""
        deadline = time.monotonic() + seconds
        for thread in list(self._drivers.values()):
            thread.join(max(0.0, deadline - time.monotonic()))

    def step(self) -> None:
        """Look at the declaration, and go as far towards it as is possible now."""
        self._look()
        if self._settled:
            return
        try:
            waits_for = self._go_on()
        except ControlError as error:
            waits_for = str(error)
        self._settled = waits_for is None
        if waits_for:
            self._say(f"what is kept waits: {waits_for}")
        self._declare(waits_for=waits_for)

    def _look(self) -> None:
        """Read the declaration; a damaged one changes nothing of what runs."""
        try:
            found = kept.read(self._settings.bakeoff_home)
        except KeptProblem as problem:
            self._say(str(problem))
            if self._wanted is not None:
                return
            found = None
        if self._wanted is not None and found == self._kept:
            return
        self._kept, self._wanted = found, kept.served(self._settings, found)
        self._settled, self._ended = False, {}
        if self._wanted.outranked:
            log.warning("%s", self._wanted.outranked)
        elif found:
            log.info("kept: %s, by %s%s", ", ".join(found.backends), found.by, f" ({found.sentence})" if found.sentence else "")  # fmt: skip

    def _go_on(self) -> str | None:
        """Start what is wanted and end what is not; return what that waits for, None when all is done."""
        assert self._wanted is not None
        states = self._supervisor.states()
        up = {program for program, state in states.items() if state in UP}
        wanted = [backend for backend in self._table if backend.address.name in self._wanted.backends]
        front = next((backend for backend in wanted if backend.front), None)
        if reasons := [reason for each in wanted if (reason := self._bring_in(each, states))]:
            return "; ".join(reasons)
        if front is None and states.get(GATEWAY) == ENDING:
            return f"{GATEWAY} to end, before it is started again"
        if front is None and GATEWAY not in up:
            self._supervisor.start(GATEWAY)
        rest = [each for each in self._table if each not in wanted]
        leaving = [each for each in rest if each in self._served or each.address.program in up]
        if leaving and not any(map(self._is_ready, wanted)):
            return f"{_names(wanted)} to be ready, before {_names(leaving)} is ended"
        if any(each.front for each in leaving) and not accepts(self._settings, GATEWAY):
            return f"{GATEWAY} to take over port {self._settings.pytorch_http_port}"
        if front is not None and (waits_for := self._end_gateway(front, states, leaving)):
            return waits_for
        for backend in leaving:
            self._end(backend)
        return None

    def _end_gateway(self, front: Backend, states: dict[str, str], leaving: Sequence[Backend]) -> str | None:
        """End the gateway once the backend whose port it has is ready and takes it over; what it asks ends only after it."""
        if states.get(GATEWAY) in UP:
            if not (self._is_ready(front) and accepts(self._settings, front.address.program)):
                return f"{_names([front])} to be ready, before {GATEWAY} is ended"
            self._supervisor.end(GATEWAY, stop_plan(self._settings.stop_timeout).processes_s)
        elif states.get(GATEWAY) != ENDING:
            return None
        return f"{GATEWAY} to end before {_names(leaving)}" if leaving else None

    def _bring_in(self, backend: Backend, states: dict[str, str]) -> str | None:
        """Have a backend started and driven, unless it is; return what that waits for."""
        if backend in self._served:
            return None
        name, program = backend.address.name, backend.address.program
        thread = self._drivers.get(name)
        if self._closing or states.get(program) == ENDING or (thread is not None and thread.is_alive()):
            return f"{name} to have ended before it is started again"
        if states.get(program) not in UP and name not in self._unavailable:
            self._supervisor.start(program)
        backend.stopping.clear()
        self._board.add(backend.address)
        driver = self._make_driver(backend)
        self._drivers[name] = threading.Thread(target=driver.run, name=name, daemon=True)
        self._drivers[name].start()
        self._served = [each for each in self._table if each is backend or each in self._served]
        return None

    def _end(self, backend: Backend) -> None:
        """Let go of a backend, have it finish what it has accepted, end it, and see what that has freed."""
        name, program = backend.address.name, backend.address.program
        self._served = [each for each in self._served if each is not backend]
        self._board.remove(name)
        self._declare(ending=[name])
        log.info("%s: not kept; it finishes what it has accepted, and ends", name)
        backend.stopping.set()
        if thread := self._drivers.get(name):
            thread.join(JOIN_S)
        holdings = Holdings(program)
        backend.finish(time.monotonic() + self._settings.request_timeout_s)
        seconds = stop_plan(self._settings.stop_timeout).processes_s
        self._supervisor.end(program, seconds)
        if holdings.wait(seconds + 1.0):
            log.error("%s: some of its processes did not end and were killed", name)
        segments.remove(backend.address)
        self._ended[name] = holdings.freed()
        told = self._ended[name]
        log.info("%s: ended%s", name, "" if told is None else f"; {told / MIB:,.0f} MiB of GPU memory are free again")

    def _is_ready(self, backend: Backend) -> bool:
        return self._board.state(backend.address.name) == "ready"

    def _declare(self, *, waits_for: str | None = None, ending: Sequence[str] = ()) -> None:
        """Say what is kept in the readiness document, and how far that is."""
        if self._kept is None or self._wanted is None:
            self._board.declare(None)
            return
        document: dict[str, Any] = {
            **self._kept.model_dump(mode="json"),
            "outranked": self._wanted.outranked,
            "unavailable": self._unavailable,
            "waits_for": waits_for,
            "ending": list(ending),
            "ended": {name: {"gpu_memory_freed": freed} for name, freed in self._ended.items()},
            "done": self._settled,
        }
        self._board.declare(document)

    def _say(self, words: str) -> None:
        """Log once what is so for a while."""
        if words != self._said:
            log.warning("%s", words)
        self._said = words


def _names(backends: Sequence[Backend]) -> str:
    return " or ".join(backend.address.name for backend in backends)
