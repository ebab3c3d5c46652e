"""The processes of a program on port 8002: HTTP workers, the engines of one that computes itself, and what they share."""

import asyncio
import fcntl
import itertools
import logging
import os
import shutil
import signal
import socket
import termios
from array import array
from collections.abc import Sequence
from pathlib import Path

from server.hardware import Hardware
from server.http.heartbeat import SILENT_AFTER_S, Watch
from server.http.listener import Listener
from server.http.member import Member
from server.http.metrics import FOLDER_VARIABLE
from server.ipc import messages
from server.ipc.arena import Arena
from server.ipc.connections import ConnectionTable
from server.ipc.counters import Counters
from server.ipc.inherited import Inherited
from server.oip.spec import ENCODED_MODEL, IMAGE_BYTES, PIXEL_MODEL
from server.settings import Settings
from server.state import METRICS
from server.stop import stop_plan

ARENA_BYTES = 128 * 2**20
"""Shared memory of one worker: bodies, pixels and embeddings of what it has in flight."""

ARENA_BATCHES = 3
"""...but at least this many requests of the largest size."""

CUDA_QUEUES = {"CUDA_DEVICE_MAX_CONNECTIONS": "32"}
"""By default 8 hardware queues serve all of a process's streams, and the decoder's kernels then wait for whole graphs of the
encoder that happen to share their queue: 7,700 decoded images/s beside the encoder instead of 20,000 (docs/performance.md).
"""

METRICS_BYTES = 8 * 2**20
"""Free space for the metrics of one process, rounded up well."""

LOOK_EVERY_S = 0.5
"""Between two looks at the beats."""

log = logging.getLogger("bakeoff.http")


class Family:
    """Keeps them running: what has died is replaced alone. Where that does not help, all are ended."""

    def __init__(
        self, settings: Settings, hardware: Hardware, program: str, *, worker: str, engine: str | None = None
    ) -> None:
        """Take the port, from the program that has it where there is one.

        Args:
            settings: of the stack.
            hardware: decides how many workers there are, and how many engines.
            program: the supervisord program's name.
            worker: the module that the HTTP workers run.
            engine: likewise; None: there are no engines.

        Raises:
            OSError: the port is taken, naming it.
        """
        self._settings = settings
        self._listener = Listener.take(settings, program)
        self._gpus: Sequence[int | None] = range(len(hardware.gpus)) if hardware.device == "cuda" else [None]
        workers, largest = hardware.http_workers, settings.max_batch_size
        self._workers = [Member("HTTP worker", number, number, worker) for number in range(workers)]
        self._engines = [
            Member("engine", number, workers + number, engine) for number in range(len(self._gpus)) if engine
        ]
        self._all = [*self._workers, *self._engines]  # in the order of their rows
        self._connections = ConnectionTable.create(workers)
        self._inboxes = [socket.socketpair(type=socket.SOCK_SEQPACKET) for _ in range(workers)]
        self._counters = Counters.create(len(self._all), (PIXEL_MODEL, ENCODED_MODEL), largest)
        self._watch = Watch(
            self._counters,
            len(self._all),
            looks=round(max(settings.hang_timeout_s, SILENT_AFTER_S) / LOOK_EVERY_S),
            starting=round(settings.load_timeout_s / LOOK_EVERY_S),
        )
        self._arena_bytes = max(ARENA_BYTES, ARENA_BATCHES * largest * IMAGE_BYTES)
        self._environment = {**os.environ, **_metrics(METRICS.at(settings.bakeoff_home, program), len(self._all))}
        self._lifeline, self._held = os.pipe()  # `_held` is closed by our end, whatever that is

    async def run(self) -> int:
        """Run until SIGTERM, SIGINT or the end of a process that is not replaced; return the exit status."""
        self._listener.serve()
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        stop = asyncio.ensure_future(stopping.wait())
        watching = asyncio.ensure_future(self._look())
        keeping = [asyncio.ensure_future(self._keep(member)) for member in self._all]
        await asyncio.wait({stop, watching, *keeping}, return_when=asyncio.FIRST_COMPLETED)
        tasks = (stop, watching, *keeping)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await self._stop()
        for end in ends:
            if isinstance(end, Exception):
                raise end
        return 0 if stopping.is_set() else 1

    async def _keep(self, member: Member) -> None:
        """Have a process run, and another one when it has died; return when that does not help."""
        while True:
            await (self._start_worker if member in self._workers else self._start_engine)(member)
            status = await member.wait()
            self._forget(member)
            if not member.died():
                what = "the others are stopped, and supervisord starts all again"
                log.error("%s ended with status %d; %s", member.name, status, what)
                return
            log.error("%s ended with status %d; another one takes its place", member.name, status)
            await asyncio.sleep(member.pause_s)

    async def _start_worker(self, worker: Member) -> None:
        arena = Arena.create(self._arena_bytes)  # a new one: an engine may still be writing into that of the last
        with worker.control() as control:
            shared = Inherited(
                control=control.fileno(),
                lifeline=self._lifeline,
                counters=self._counters.fileno(),
                row=worker.row,
                arena=arena.fileno(),
                listener=self._listener.socket.fileno(),
                waits=1 if self._listener.shared else None,
                connections=self._connections.fileno(),
                inbox=self._inboxes[worker.number][0].fileno(),
                outboxes=tuple(out.fileno() for _, out in self._inboxes),
                engines=tuple(engine.row for engine in self._engines),
            )
            await worker.start(shared, self._environment)
        worker.arena = arena
        for engine in self._engines:
            if engine.runs:
                _connect(worker, engine)

    async def _start_engine(self, engine: Member) -> None:
        with engine.control() as control:
            shared = Inherited(
                control=control.fileno(),
                lifeline=self._lifeline,
                counters=self._counters.fileno(),
                row=engine.row,
                gpu=self._gpus[engine.number],
            )
            await engine.start(shared, {**CUDA_QUEUES, **self._environment})
        for worker in self._workers:
            if worker.runs:
                _connect(worker, engine)

    def _forget(self, member: Member) -> None:
        """Take back what a process that has ended held: its memory, its connections, and the images that it waited for."""
        member.hang_up()
        if self._counters.last_beat(member.row):
            member.works()
        if member.arena is not None:
            member.arena.close()
            member.arena = None
            self._connections.vacate(member.row, lambda: _waiting(self._inboxes[member.number][0]))
        self._counters.forget(member.row)
        self._watch.forget(member.row)

    async def _look(self) -> None:
        """Kill a process that hangs: what it has accepted it would never answer."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._connections.takers():
                self._listener.accept()
            for member in self._all:
                if self._counters.last_beat(member.row):
                    member.works()
            for row in self._watch.silent():
                if self._counters.last_beat(row):
                    found = f"has hung for {self._settings.hang_timeout_s:g} s (HANG_TIMEOUT_S)"
                else:
                    found = f"has not started within {self._settings.load_timeout_s:g} s (LOAD_TIMEOUT_S)"
                log.error("%s %s and is killed", self._all[row].name, found)
                self._all[row].kill()

    async def _stop(self) -> None:
        """Ask the workers to finish; the engines end after them. What does not end is killed."""
        if self._listener.shared:
            self._connections.hand_over()
        self._listener.close()  # the workers have it, too, and close it in their time
        running = [member for member in self._all if member.runs]
        for member in running:
            member.terminate()
            member.hang_up()
        waits = [asyncio.ensure_future(member.wait()) for member in running]
        if waits:
            await asyncio.wait(waits, timeout=stop_plan(self._settings.stop_timeout).processes_s)
        for member in running:
            if member.runs:
                log.error("%s did not stop in time and is killed", member.name)
                member.kill()
        await asyncio.gather(*waits)
        for inbox in itertools.chain(*self._inboxes):
            inbox.close()
        for end in (self._lifeline, self._held):
            os.close(end)


def _connect(worker: Member, engine: Member) -> None:
    """Give both an end of a new channel."""
    assert worker.arena is not None
    ours, theirs = messages.pair()
    with ours, theirs:  # a channel must end with the processes that use it
        worker.hand(engine.number, [ours.fileno()])
        engine.hand(worker.number, [theirs.fileno(), worker.arena.fileno()])


def _waiting(inbox: socket.socket) -> int:
    """Return how many connections wait in an inbox: each is a packet of one byte."""
    count = array("i", [0])
    fcntl.ioctl(inbox, termios.FIONREAD, count)
    return count[0]


def _metrics(folder: Path, processes: int) -> dict[str, str]:
    """Return what has the processes add up their metrics in `folder`, emptied of those that are gone; nothing if it is full."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if shutil.disk_usage(folder).free > METRICS_BYTES * processes:
            return {FOLDER_VARIABLE: str(folder)}
        problem = "the disk is full"
    except OSError as error:
        problem = str(error.strerror)
    log.error("%s: %s; /metrics has figures of single processes until the next start", folder, problem)
    return {}
