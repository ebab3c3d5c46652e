"""One process of a program on port 8002, and those that take its place when it has died."""

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Iterable, Mapping

from server.ipc import handover
from server.ipc.arena import Arena
from server.ipc.inherited import Inherited
from server.processes.crash_loop import CrashLoop

USEFUL_AFTER_S = 10.0
"""A process that worked for so long before it died had an accident."""

MOST_IN_A_ROW = 3
"""Deaths of which only the first may have been an accident, and the server is started anew."""

log = logging.getLogger("bakeoff.http")


class Member:
    """It has a number among those of its kind, and a row in the table of counters, which its successors go on with.

    Attributes:
        arena: of an HTTP worker that runs: the memory that it shares with the engines.
    """

    def __init__(self, kind: str, number: int, row: int, module: str) -> None:
        """Prepare; `start` runs `module`."""
        self.name = f"{kind} {number}"
        self.number = number
        self.row = row
        self.arena: Arena | None = None
        self._module = module
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._deaths = CrashLoop(MOST_IN_A_ROW)
        self._worked_since: float | None = None
        self._has_worked = False

    @property
    def runs(self) -> bool:
        """Whether the process runs, as far as is known."""
        return self._process is not None and self._process.returncode is None

    async def start(self, shared: Inherited, environment: Mapping[str, str]) -> None:
        """Start a process that inherits `shared`, the end of whose control channel is closed here."""
        self._worked_since = None
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module, *shared.arguments(), pass_fds=shared.descriptors(), env=environment
        )

    def control(self) -> socket.socket:
        """Return the next process's end of a new control channel; ours is for `hand`."""
        self._control, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        return theirs

    def hand(self, number: int, descriptors: Iterable[int]) -> None:
        """Hand over what connects the process with the other one of `number`; it is killed when it does not read."""
        assert self._control is not None
        try:
            handover.hand(self._control, number, descriptors)
        except ConnectionError:
            return  # it has ended, and whoever takes its place is connected anew
        except OSError as error:
            log.error("%s cannot be connected with others (%s) and is killed", self.name, error.strerror)
            self.kill()

    def hang_up(self) -> None:
        """Tell the process that no more will be handed over."""
        if self._control is not None:
            self._control.close()

    def works(self) -> None:
        """Note that the process works."""
        self._has_worked = True
        self._worked_since = self._worked_since or time.monotonic()

    def died(self) -> bool:
        """Count the end of a process; return whether another one may take its place.

        None may if this one's kind never worked, or has died several times without having worked for long.
        """
        useful = self._worked_since is not None and time.monotonic() - self._worked_since >= USEFUL_AFTER_S
        return self._has_worked and not self._deaths.ended(was_useful=useful)

    @property
    def pause_s(self) -> float:
        """Seconds to wait before the next start."""
        return self._deaths.pause_s

    async def wait(self) -> int:
        """Return the exit status of the process once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
