"""One process that does one thing at a time for the thread that asks, and is started again when it has ended."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from typing import Any

from server.isolation import protocol
from server.isolation.errors import Costly, Crashed, Refusal

KEPT_BYTES = 16 * 2**20
"""Of memory that a process keeps for the next data; what was larger is given back."""


class Ended(Exception):
    """The process ended without an answer, and not because of its processor time."""


class Process:
    """Used by one thread at a time."""

    def __init__(self, module: str, *, cpu_s: float, wall_s: float, python: str, arguments: dict[str, Any]) -> None:
        """Prepare; the process starts with `start` or with the first call.

        Args:
            module: has the function `run(task, data, **arguments)`, which returns bytes and raises `Refusal`.
            cpu_s: seconds of processor time that one call may take.
            wall_s: seconds that one call may take altogether.
            python: the interpreter.
            arguments: as JSON knows them.
        """
        self._command = [python, "-m", "server.isolation", module, json.dumps({**arguments, "cpu_s": cpu_s})]
        self._cpu_s = cpu_s
        self._wall_s = wall_s
        self._file = os.memfd_create("bakeoff-isolated")
        self._size = 0
        self._stopped = False
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """Its number, once it was started."""
        return self._child.pid if self._child else None

    def start(self) -> socket.socket:
        """Have a process run; return the channel to it.

        Raises:
            Crashed: no more is done.
        """
        if self._stopped:
            raise Crashed("ended with the program that asked")
        if self._child is not None and self._child.poll() is None and self._channel is not None:
            return self._channel
        self._end()
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        ours.settimeout(self._wall_s)
        with theirs:
            descriptors = (self._file, theirs.fileno())
            self._child = subprocess.Popen(
                [*self._command, *map(str, descriptors)], pass_fds=descriptors, stdin=subprocess.DEVNULL
            )
        self._channel = ours
        return ours

    def ask(self, task: str, data: bytes | memoryview) -> memoryview:
        """Return what `run(task, data)` returns.

        Raises:
            Refusal, Costly: see there; both are about the data.
            Crashed: the process failed, or ended twice.
        """
        try:
            return self._ask(task, data)
        except Ended:  # perhaps it was ended from outside, with which these data have nothing to do
            try:
                return self._ask(task, data)
            except Ended as error:
                raise Crashed(str(error)) from None

    def stop(self) -> None:
        """Do no more, and end what is being done; from any thread."""
        self._stopped = True
        if (child := self._child) is not None:
            child.kill()

    def close(self) -> None:
        """End the process, once no thread uses it any more."""
        self._end()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _ask(self, task: str, data: bytes | memoryview) -> memoryview:
        channel = self.start()
        protocol.write(self._file, data)
        try:
            protocol.send_request(channel, memoryview(data).nbytes, task)
            answer = protocol.receive_answer(channel)
        except TimeoutError:
            self._end()
            raise Costly(f"takes more than {self._wall_s:g} s") from None
        except OSError:
            answer = None
        if answer is None:
            raise self._how_it_ended()
        kind, size, message = answer
        try:
            result = protocol.read(self._file, size)
        except EOFError as error:
            self._end()
            raise Ended(str(error)) from None
        self._forget(max(size, memoryview(data).nbytes))
        if kind == protocol.REFUSAL:
            raise Refusal(message)
        if kind == protocol.FAILURE:
            raise Crashed(message)
        return result

    def _how_it_ended(self) -> Exception:
        assert self._child is not None
        self._child.kill()  # it has hung up, whatever else it may still do
        status = self._child.wait()
        self._end()
        if status == -signal.SIGPROF:
            with contextlib.suppress(OSError, Crashed):
                self.start()  # for whoever comes next
            return Costly(f"takes more than {self._cpu_s:g} s of processor time")
        return Ended(f"the process ended with status {status}")

    def _forget(self, size: int) -> None:
        self._size = max(self._size, size)
        if self._size > KEPT_BYTES:
            os.ftruncate(self._file, 0)
            self._size = 0

    def _end(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
