"""The client processes, as the rest of the benchmark sees them."""

import time
from collections.abc import Callable
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Self

from bench.client.load import Load, Seen, together
from bench.client.worker import share, work
from bench.errors import BenchError
from bench.photos import PhotoSet
from server.limits import available_cores

MOST_PROCESSES = 8
START_S = 0.02
"""Seconds in which the message of the common start reaches all processes."""


def usual_processes() -> int:
    """Return half the cores that this process may use, at most 8: the other half is the servers', where they are here."""
    return max(1, min(MOST_PROCESSES, available_cores() // 2))


class Clients:
    """A pool of client processes, each of which keeps some connections busy; a context manager."""

    def __init__(self, photos: PhotoSet, processes: int) -> None:
        """Start `processes` of them with the photos that they send."""
        context = get_context("spawn")  # a forked gRPC library does not work
        self.processes = processes
        self._pipes: list[Any] = []
        self._all = []
        for index in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, index, processes, photos), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._all.append(process)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, in the middle of a load if need be."""
        for process in self._all:
            process.terminate()
        for process in self._all:
            process.join()

    @property
    def pids(self) -> list[int]:
        """Process ids."""
        return [process.pid for process in self._all if process.pid is not None]

    def apply(self, load: Load, at_start: Callable[[], None] = lambda: None) -> Seen:
        """Apply a load and return what the processes saw.

        A load of few connections is given to as many processes; the others sleep.

        Args:
            load: what to send.
            at_start: called when everything is prepared, right before the load begins.

        Raises:
            BenchError: a client process has died, or cannot make its requests.
        """
        pipes = [pipe for index, pipe in enumerate(self._pipes) if share(load, index, self.processes)]
        try:
            for pipe in pipes:
                pipe.send(load)
            for pipe in pipes:
                if (answer := pipe.recv()) != "ready":
                    raise BenchError(f"the requests cannot be made: {answer}")
            at_start()
            start = time.perf_counter() + START_S  # one clock for all processes of a machine (CLOCK_MONOTONIC)
            for pipe in pipes:
                pipe.send(start)
            return together([pipe.recv() for pipe in pipes])
        except (EOFError, OSError) as error:
            raise BenchError(
                f"a client process has ended ({len(pipes)} were at work); is there enough memory?"
            ) from error
