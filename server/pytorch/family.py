"""The processes of the PyTorch server: an engine per GPU, HTTP workers, and what they share."""

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from server.addresses import family
from server.hardware import Hardware
from server.oip.spec import ENCODED_MODEL, IMAGE_BYTES, PIXEL_MODEL
from server.pytorch.heartbeat import SILENT_AFTER_S, Watch
from server.pytorch.ipc import inherited, messages
from server.pytorch.ipc.arena import Arena
from server.pytorch.ipc.connections import ConnectionTable
from server.pytorch.ipc.counters import Counters
from server.pytorch.metrics import FOLDER_VARIABLE
from server.settings import Settings
from server.state import METRICS
from server.stop import stop_plan

ARENA_BYTES = 128 * 2**20
"""Shared memory of one worker: bodies, pixels and embeddings of what it has in flight."""

ARENA_BATCHES = 3
"""...but at least this many requests of the largest size."""

BACKLOG = 2048
"""Connections that wait to be accepted."""

CUDA_QUEUES = {"CUDA_DEVICE_MAX_CONNECTIONS": "32"}
"""By default 8 hardware queues serve all of a process's streams, and the decoder's kernels then wait for whole graphs of the
encoder that happen to share their queue: 7,700 decoded images/s beside the encoder instead of 20,000 (docs/performance.md).
"""

METRICS_BYTES = 8 * 2**20
"""Free space for the metrics of one process, rounded up well."""

LOOK_EVERY_S = 0.5
"""Between two looks at the beats."""

log = logging.getLogger("bakeoff.pytorch")


class Family:
    """Starts them together and ends them together: a server with a part missing is not one."""

    def __init__(self, settings: Settings, hardware: Hardware) -> None:
        """Take the port.

        Raises:
            OSError: it is taken, naming it.
        """
        self._settings = settings
        self._hardware = hardware
        self._listener = _listen(settings.host, settings.pytorch_http_port)
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def run(self) -> int:
        """Run until SIGTERM, SIGINT or the end of any process; return the exit status."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        lifeline, held = os.pipe()  # `held` is closed by our end, whatever that is
        counters = await self._start(lifeline)
        os.close(lifeline)
        watching = asyncio.ensure_future(self._watch(counters))
        waits = {asyncio.ensure_future(process.wait()): name for name, process in self._processes.items()}
        stop = asyncio.ensure_future(stopping.wait())
        await asyncio.wait({stop, *waits}, return_when=asyncio.FIRST_COMPLETED)
        ended = [(name, wait.result()) for wait, name in waits.items() if wait.done()]
        stop.cancel()
        watching.cancel()
        for name, status in ended:
            log.error("%s ended with status %d; the others are stopped, and supervisord starts all again", name, status)
        await self._stop(list(waits))
        os.close(held)
        return 1 if ended else 0

    async def _start(self, lifeline: int) -> Counters:
        """Start all; return what they count."""
        gpus: Sequence[int | None] = range(len(self._hardware.gpus)) if self._hardware.device == "cuda" else [None]
        workers = self._hardware.http_workers
        largest = self._settings.max_batch_size
        size = max(ARENA_BYTES, ARENA_BATCHES * largest * IMAGE_BYTES)
        arenas = [Arena.create(size) for _ in range(workers)]
        connections = ConnectionTable.create(workers)
        inboxes = [socket.socketpair(type=socket.SOCK_SEQPACKET) for _ in range(workers)]
        counters = Counters.create(workers + len(gpus), (PIXEL_MODEL, ENCODED_MODEL), largest)
        ends = {(worker, engine): messages.pair() for worker in range(workers) for engine in range(len(gpus))}
        environment = {**os.environ, **_metrics(METRICS.at(self._settings.bakeoff_home), workers + len(gpus))}
        for worker in range(workers):
            arguments = inherited.arguments(
                channels=[ends[worker, engine][0] for engine in range(len(gpus))],
                arenas=[arenas[worker].fileno()],
                counters=counters.fileno(),
                row=worker,
                lifeline=lifeline,
                listener=self._listener.fileno(),
                connections=connections.fileno(),
                inbox=inboxes[worker][0].fileno(),
                outboxes=[out.fileno() for _, out in inboxes],
            )
            await self._spawn(f"HTTP worker {worker}", "server.pytorch.worker", arguments, environment)
        for engine, gpu in enumerate(gpus):
            arguments = inherited.arguments(
                channels=[ends[worker, engine][1] for worker in range(workers)],
                arenas=[arena.fileno() for arena in arenas],
                counters=counters.fileno(),
                row=workers + engine,
                lifeline=lifeline,
                gpu=gpu,
            )
            await self._spawn(f"engine {engine}", "server.pytorch.engine", arguments, {**CUDA_QUEUES, **environment})
        self._listener.close()
        for pair in (*ends.values(), *inboxes):
            for end in pair:  # a channel must end with the processes that use it
                end.close()
        return counters

    async def _watch(self, counters: Counters) -> None:
        """Kill a process that hangs, which ends all: what it has accepted it would never answer."""
        names = list(self._processes)  # in the order of their rows
        looks = round(max(self._settings.hang_timeout_s, SILENT_AFTER_S) / LOOK_EVERY_S)
        watch = Watch(counters, len(names), looks)
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for row in watch.silent():
                log.error("%s has hung for %g s (HANG_TIMEOUT_S) and is killed", names[row], looks * LOOK_EVERY_S)
                self._processes[names[row]].kill()

    async def _spawn(self, name: str, module: str, arguments: list[str], environment: dict[str, str]) -> None:
        descriptors = [
            int(number)
            for argument in arguments
            if argument.partition("=")[0] not in ("--row", "--gpu")
            for number in argument.partition("=")[2].split(",")
        ]
        self._processes[name] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, pass_fds=descriptors, env=environment
        )

    async def _stop(self, waits: list[asyncio.Future[int]]) -> None:
        """Ask the workers to finish; the engines end after them. What does not end is killed."""
        for process in self._processes.values():
            if process.returncode is None:
                process.terminate()
        _, running = await asyncio.wait(waits, timeout=stop_plan(self._settings.stop_timeout).processes_s)
        for name, process in self._processes.items():
            if process.returncode is None and running:
                log.error("%s did not stop in time and is killed", name)
                process.kill()
        await asyncio.wait(waits)


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG, family=family(host))
    except OSError as error:
        raise OSError(f"PYTORCH_HTTP_PORT={port} on {host} cannot be used: {error.strerror}") from None
    listener.setblocking(False)
    return listener


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
