"""How many connections each HTTP worker holds, seen by all of them: one row per worker, and each worker writes its own."""

import fcntl
import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np

HELD = 0
"""Cell of a row: connections that the worker has taken from the listener and kept, less all that it has closed."""

TAKES = 1
"""Cell of a row: 1 while the worker takes connections from the others."""

GIVEN = 2
"""First cell of a row: how many connections the worker has given to each of them, in their order."""

LONGEST_WAIT_S = 0.05
"""For the worker whose turn it is; one that was stopped in the middle of it must not stop the others."""


class ConnectionTable:
    """The table, mapped in this process. A connection that is on its way from one worker to another counts for the other."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        cells = np.frombuffer(memory, np.int64)
        workers = int(np.sqrt(len(cells))) - 1  # their square, two each, and one for all
        self._common, self._table = cells[:1], cells[1:].reshape(workers, GIVEN + workers)

    @classmethod
    def create(cls, workers: int) -> Self:
        """Make a table of zeros."""
        descriptor = os.memfd_create("bakeoff-connections")
        os.ftruncate(descriptor, (1 + workers * (GIVEN + workers)) * 8)
        return cls(descriptor)

    def fileno(self) -> int:
        """Return the descriptor, to be handed to another process."""
        return self._descriptor

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep the other workers from placing a connection meanwhile, so that two of them do not choose by the same counts.

        The kernel ends the turn of a worker that dies.
        """
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not (mine := self._lock()) and time.monotonic() < deadline:
            os.sched_yield()
        try:
            yield
        finally:
            if mine:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def keep(self, row: int) -> None:
        """Count one that the worker `row` has taken and keeps."""
        self._table[row, HELD] += 1

    def give(self, row: int, other: int) -> None:
        """Count one that the worker `row` has given to `other`."""
        self._table[row, GIVEN + other] += 1

    def close(self, row: int) -> None:
        """Count one less for the worker `row`, wherever it came from."""
        self._table[row, HELD] -= 1

    def vacate(self, row: int, waiting: Callable[[], int]) -> None:
        """Let the worker `row`, which has ended, have only what is `waiting` in its inbox for the next one, and take no more."""
        with self.turn():
            self._table[row, TAKES] = 0
            self._table[row, HELD] = waiting() - self._table[:, GIVEN + row].sum()

    def take(self, row: int, takes: bool) -> None:
        """Say whether the worker `row` takes connections from the others."""
        self._table[row, TAKES] = takes

    def takers(self) -> list[int]:
        """Return the workers that do."""
        return [row for row, takes in enumerate(self._table[:, TAKES].tolist()) if takes]

    def hand_over(self) -> None:
        """Say that another program accepts the port's connections from now on."""
        self._common[0] = 1

    @property
    def handed_over(self) -> bool:
        """Whether one does."""
        return bool(self._common[0])

    def open(self) -> list[int]:
        """Return how many connections each worker has."""
        return [int(count) for count in self._table[:, HELD] + self._table[:, GIVEN:].sum(axis=0)]
