"""A model's counters, as Triton's statistics extension defines them.

Requests and executions are counted apart, as there: with dynamic batching one execution answers several requests, and
each of these books the whole execution's times as its own. Durations are cumulative nanoseconds and never go down.

The counters are cells of a table that several processes may share: each process adds to a row of its own, so that none
waits for another, and a snapshot is the sum of the rows.
"""

import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.int64]

LAST_INFERENCE, INFERENCES = 0, 1
DURATIONS = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
_DURATION = {name: 2 + 2 * index for index, name in enumerate(DURATIONS)}  # cells of the count and of the ns after it
_BATCHES = 2 + 2 * len(DURATIONS)
_BATCH_CELLS = 4  # of each batch size: the count, and the ns of input, infer and output


def cells(max_batch_size: int) -> int:
    """Return how many cells a row has for one model."""
    return _BATCHES + max_batch_size * _BATCH_CELLS


class ModelStatistics:
    """The counters of one version of one model; every method may be called from any thread."""

    def __init__(self, name: str, version: str, table: Table, row: int) -> None:
        """Use `table`, INT64 `[processes, cells(max_batch_size)]`, of which this process writes `row`."""
        self._name = name
        self._version = version
        self._table = table
        self._own = table[row]
        self._lock = threading.Lock()

    def record_success(
        self,
        batch: int,
        queue_ns: int,
        compute_input_ns: int,
        compute_infer_ns: int,
        compute_output_ns: int,
        total_ns: int | None = None,
    ) -> None:
        """Count a request that was answered.

        Args:
            batch: items in the request.
            queue_ns: from its arrival in the queue to the start of its execution.
            compute_input_ns: preparing the input of the execution that the request was part of.
            compute_infer_ns: running the model, likewise.
            compute_output_ns: handing over the output, likewise.
            total_ns: from the request's arrival to its answer; the sum of the others when not given.
        """
        if total_ns is None:
            total_ns = queue_ns + compute_input_ns + compute_infer_ns + compute_output_ns
        now_ms = _now_ms()
        with self._lock:
            self._own[INFERENCES] += batch
            self._add("success", total_ns)
            self._add("queue", queue_ns)
            self._add("compute_input", compute_input_ns)
            self._add("compute_infer", compute_infer_ns)
            self._add("compute_output", compute_output_ns)
            self._own[LAST_INFERENCE] = max(self._own[LAST_INFERENCE], now_ms)

    def record_failure(self, ns: int) -> None:
        """Count a request that failed `ns` after its arrival; like Triton's, it adds to nothing else."""
        with self._lock:
            self._add("fail", ns)

    def record_execution(self, batch_size: int, input_ns: int, infer_ns: int, output_ns: int) -> None:
        """Count one run of the model on `batch_size` items, whichever requests they came from."""
        now_ms = _now_ms()
        first = _BATCHES + (batch_size - 1) * _BATCH_CELLS
        with self._lock:
            self._own[first : first + _BATCH_CELLS] += (1, input_ns, infer_ns, output_ns)
            self._own[LAST_INFERENCE] = max(self._own[LAST_INFERENCE], now_ms)

    @property
    def executed(self) -> int:
        """Items of all executions so far, in all processes."""
        executions = self._table[:, _BATCHES::_BATCH_CELLS].sum(axis=0)
        return int(executions @ np.arange(1, len(executions) + 1))

    def snapshot(self) -> dict[str, Any]:
        """Return this model's entry of `model_stats` in the answer of `GET /v2/models/<name>/stats`."""
        nothing = {"count": 0, "ns": 0}  # no response cache
        with self._lock:
            sums: list[int] = self._table.sum(axis=0).tolist()
            last = int(self._table[:, LAST_INFERENCE].max())
        batches = [
            (size, sums[first : first + _BATCH_CELLS])
            for size, first in enumerate(range(_BATCHES, len(sums), _BATCH_CELLS), start=1)
            if sums[first]
        ]
        return {
            "name": self._name,
            "version": self._version,
            "last_inference": last,
            "inference_count": sums[INFERENCES],
            "execution_count": sum(batch[0] for _, batch in batches),
            "inference_stats": {
                **{name: {"count": sums[cell], "ns": sums[cell + 1]} for name, cell in _DURATION.items()},
                "cache_hit": dict(nothing),
                "cache_miss": dict(nothing),
            },
            "response_stats": {},
            "batch_stats": [
                {
                    "batch_size": size,
                    "compute_input": {"count": count, "ns": input_ns},
                    "compute_infer": {"count": count, "ns": infer_ns},
                    "compute_output": {"count": count, "ns": output_ns},
                }
                for size, (count, input_ns, infer_ns, output_ns) in batches
            ],
            "memory_usage": [],
        }

    def _add(self, duration: str, ns: int) -> None:
        cell = _DURATION[duration]
        self._own[cell] += 1
        self._own[cell + 1] += ns


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
