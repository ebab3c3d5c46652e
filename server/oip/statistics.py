"""A model's counters, as Triton's statistics extension defines them.

Requests and executions are counted apart, as there: with dynamic batching one execution answers several requests, and
each of these books the whole execution's times as its own. Durations are cumulative nanoseconds and never go down.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class _Duration:
    count: int = 0
    ns: int = 0

    def add(self, ns: int) -> None:
        self.count += 1
        self.ns += ns

    def document(self) -> dict[str, int]:
        return {"count": self.count, "ns": self.ns}


@dataclass
class _Compute:
    input: _Duration = field(default_factory=_Duration)
    infer: _Duration = field(default_factory=_Duration)
    output: _Duration = field(default_factory=_Duration)

    def add(self, input_ns: int, infer_ns: int, output_ns: int) -> None:
        self.input.add(input_ns)
        self.infer.add(infer_ns)
        self.output.add(output_ns)

    def document(self) -> dict[str, Any]:
        return {
            "compute_input": self.input.document(),
            "compute_infer": self.infer.document(),
            "compute_output": self.output.document(),
        }


class ModelStatistics:
    """The counters of one version of one model; every method may be called from any thread."""

    def __init__(self, name: str, version: str) -> None:
        self._name = name
        self._version = version
        self._lock = threading.Lock()
        self._last_inference_ms = 0
        self._inferences = 0
        self._success = _Duration()
        self._fail = _Duration()
        self._queue = _Duration()
        self._compute = _Compute()
        self._batches: dict[int, _Compute] = {}

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
            self._inferences += batch
            self._success.add(total_ns)
            self._queue.add(queue_ns)
            self._compute.add(compute_input_ns, compute_infer_ns, compute_output_ns)
            self._last_inference_ms = max(self._last_inference_ms, now_ms)

    def record_failure(self, ns: int) -> None:
        """Count a request that failed `ns` after its arrival; like Triton's, it adds to nothing else."""
        with self._lock:
            self._fail.add(ns)

    def record_execution(self, batch_size: int, input_ns: int, infer_ns: int, output_ns: int) -> None:
        """Count one run of the model on `batch_size` items, whichever requests they came from."""
        now_ms = _now_ms()
        with self._lock:
            self._batches.setdefault(batch_size, _Compute()).add(input_ns, infer_ns, output_ns)
            self._last_inference_ms = max(self._last_inference_ms, now_ms)

    def snapshot(self) -> dict[str, Any]:
        """Return this model's entry of `model_stats` in the answer of `GET /v2/models/<name>/stats`."""
        nothing = _Duration().document()  # no response cache
        with self._lock:
            return {
                "name": self._name,
                "version": self._version,
                "last_inference": self._last_inference_ms,
                "inference_count": self._inferences,
                "execution_count": sum(batch.infer.count for batch in self._batches.values()),
                "inference_stats": {
                    "success": self._success.document(),
                    "fail": self._fail.document(),
                    "queue": self._queue.document(),
                    **self._compute.document(),
                    "cache_hit": dict(nothing),
                    "cache_miss": dict(nothing),
                },
                "response_stats": {},
                "batch_stats": [
                    {"batch_size": size, **self._batches[size].document()} for size in sorted(self._batches)
                ],
                "memory_usage": [],
            }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
