"""The FATAL rule: a program that cannot be kept running takes the container down, and says why. All but the console.

supervisord itself gives up a program that does not survive its start. This also gives up one that lives a little longer,
but ends again and again before it was of use. An event listener of supervisord (its protocol runs over stdin and stdout,
so what people should read goes to stderr).
"""

import contextlib
import os
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path

from supervisor import childutils

from server.backend_addresses import addresses
from server.processes.console_watch import ConsoleWatch
from server.processes.crash_loop import USEFUL_AFTER_S, CrashLoop, write_pause
from server.processes.programs import kill_program
from server.readiness import STALE_AFTER_S, age_s, read_document
from server.settings import Settings, load_settings
from server.state import GIVEN_UP, LAST_LINES, READINESS

GATE = "readiness"
"""Watches the others; here it is watched itself."""

CONSOLE = "console"
"""Embeds nothing: without it `/ready` says 503 and the page is missing, and whoever only wants embeddings goes on."""

LAST_LINES_WAIT_S = 1.0
"""The filter of a program's lines ends a moment after it."""


class Listener:
    """What is known of the programs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loops: dict[str, CrashLoop] = defaultdict(CrashLoop)
        self._useful: set[str] = set()  # since their last start
        self._running_since: dict[str, float] = {}
        self._gate_reported = False  # since its last start
        self._console = ConsoleWatch(settings)
        self._stopping = False

    def handle(self, event: str, payload: str) -> None:
        """Take note of one event, and act on it; what ends while everything is stopped was not given up."""
        self._stopping |= event == "SUPERVISOR_STATE_CHANGE_STOPPING"
        if self._stopping:
            return
        self._look()
        if event.startswith("TICK"):
            self._look_at_console()
            return
        headers = childutils.get_headers(payload)
        program = headers["processname"]
        if event == "PROCESS_STATE_RUNNING":
            self._running_since[program] = time.monotonic()
            if program == CONSOLE:
                self._console.started()
        elif event == "PROCESS_STATE_FATAL" and program != CONSOLE:
            self._give_up(program, f"{program} ended at every start")
        elif event == "PROCESS_STATE_EXITED":
            if headers.get("expected") == "0":
                self._ended(program)
            self._running_since.pop(program, None)
            self._gate_reported &= program != GATE

    def _look(self) -> None:
        document = read_document(READINESS.at(self._settings.bakeoff_home))
        self._look_at_gate(age_s(document))
        found = document["backends"]
        for name, backend in addresses(self._settings).items():
            if found.get(name, {}).get("state") == "ready":
                self._useful.add(backend.program)

    def _look_at_gate(self, age_s: float) -> None:
        """Kill a gate that has reported, and then no more: one that has only started may be exporting the model."""
        if GATE in self._running_since and 0 <= age_s <= STALE_AFTER_S:
            self._gate_reported = True
        elif self._gate_reported and age_s > self._settings.hang_timeout_s and kill_program(GATE):
            self._gate_reported = False
            print(
                f"{GATE}: killed, so that supervisord starts it again: it has not reported", file=sys.stderr, flush=True
            )

    def _look_at_console(self) -> None:
        if self._console.hangs() and kill_program(CONSOLE):
            self._console.started()
            print(f"{CONSOLE}: killed, so that supervisord starts it again: it hangs", file=sys.stderr, flush=True)

    def _ran_s(self, program: str) -> float:
        return time.monotonic() - self._running_since.get(program, time.monotonic())

    def _ended(self, program: str) -> None:
        serves = {backend.program for backend in addresses(self._settings).values()}
        useful = program in self._useful if program in serves else self._ran_s(program) > USEFUL_AFTER_S
        self._useful.discard(program)
        loop = self._loops[program]
        if loop.ended(was_useful=useful) and program != CONSOLE:
            self._give_up(program, f"{program} ended {loop.in_a_row} times in a row before it was ready")
        else:
            write_pause(self._settings, program, loop.pause_s)

    def _give_up(self, program: str, reason: str) -> None:
        home = self._settings.bakeoff_home
        with contextlib.suppress(OSError):  # on a full disk the exit status is lost, not the end
            GIVEN_UP.at(home).write_text(program, encoding="utf-8")
        print(_obituary(program, reason, LAST_LINES.at(home, program)), file=sys.stderr, flush=True)
        os.kill(os.getppid(), signal.SIGTERM)


def _obituary(program: str, reason: str, file: Path) -> str:
    deadline = time.monotonic() + LAST_LINES_WAIT_S
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    verdict = f"bakeoff: failed: {reason}"
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{verdict}; its lines above say why"
    return "\n".join([f"the last lines of {program}:", *(f"  {line}" for line in lines), verdict])


def main() -> None:
    """Listen until supervisord ends."""
    listener = Listener(load_settings())
    while True:
        headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        listener.handle(headers["eventname"], payload)
        childutils.listener.ok(sys.stdout)


if __name__ == "__main__":
    main()
