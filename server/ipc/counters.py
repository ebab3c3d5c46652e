"""Numbers that every process of the server adds to and every worker reads: one row per process, one writer per row."""

import mmap
import os
import time
from typing import Self

import numpy as np
import numpy.typing as npt

from server.oip.statistics import ModelStatistics, cells

Cells = npt.NDArray[np.int64]

OUTSTANDING = 0
"""Cell of a row: images that the process has handed to engines and that are not answered yet."""

BEAT = 1
"""Cell of a row: when its process last said that it works, in nanoseconds of the monotonic clock; 0 before it first does."""

MODELS = 2
"""First cell of a row that belongs to the models' statistics."""


class Counters:
    """The table, mapped in this process. A cell is 8 bytes and aligned, so that it is never read half-written."""

    def __init__(self, descriptor: int, models: tuple[str, ...], max_batch_size: int) -> None:
        self._descriptor = descriptor
        self._models = models
        self._max_batch_size = max_batch_size
        memory = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        self._table: Cells = np.frombuffer(memory, np.int64).reshape(-1, _width(models, max_batch_size))

    @classmethod
    def create(cls, rows: int, models: tuple[str, ...], max_batch_size: int) -> Self:
        """Make a table of zeros."""
        descriptor = os.memfd_create("bakeoff-counters")
        os.ftruncate(descriptor, rows * _width(models, max_batch_size) * 8)
        return cls(descriptor, models, max_batch_size)

    def fileno(self) -> int:
        """Return the descriptor, to be handed to another process."""
        return self._descriptor

    def statistics(self, row: int) -> dict[str, ModelStatistics]:
        """Return the models' statistics for the process that writes `row`; it reads those of all rows."""
        width = cells(self._max_batch_size)
        result = {}
        for index, model in enumerate(self._models):
            table = self._table[:, MODELS + index * width : MODELS + (index + 1) * width]
            result[model] = ModelStatistics(model, "1", table, row)
        return result

    def add_outstanding(self, row: int, images: int) -> None:
        """Add to (or, negative, take from) the images that the process of `row` waits for."""
        self._table[row, OUTSTANDING] += images

    def forget(self, row: int) -> None:
        """Let nothing be outstanding or beat in `row`, whose process has ended; what it has counted stays counted."""
        self._table[row, :MODELS] = 0

    def beat(self, row: int) -> None:
        """Say that the process of `row` works."""
        self._table[row, BEAT] = time.monotonic_ns()

    def last_beat(self, row: int) -> int:
        """Return when it last said so, in nanoseconds of the monotonic clock; 0 before it first does."""
        return int(self._table[row, BEAT])

    @property
    def outstanding(self) -> int:
        """Images that are queued or computed now, in all processes."""
        return sum(self._table[:, OUTSTANDING].tolist())  # of a few numbers, faster than numpy's

    @property
    def embedded(self) -> int:
        """Images that engines have embedded since the start."""
        return sum(model.executed for model in self.statistics(0).values())


def _width(models: tuple[str, ...], max_batch_size: int) -> int:
    return MODELS + len(models) * cells(max_batch_size)
