"""A request inside the engine, the parts that it is cut into, and the queue from which batches are made."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from server.ipc.messages import Done


@dataclass(frozen=True)
class Encoded:
    """Embeddings FP32 `[N, 512]` of one batch and where its time went, in nanoseconds."""

    embeddings: npt.NDArray[np.float32]
    input_ns: int
    infer_ns: int
    output_ns: int


class EngineRequest:
    """What one worker asked for at once. It is answered when each of its images is settled, in whatever way.

    Thread-safe: the decode and the encode loop settle images of the same request.
    """

    def __init__(self, identifier: int, result: npt.NDArray[np.float32], reply: Callable[[Done], None]) -> None:
        """Begin the request's clock.

        Args:
            identifier: the worker's number of it.
            result: FP32 `[N, 512]` in the arena, for the embeddings of its N images.
            reply: tells the worker that all is done.
        """
        self.cancelled = False
        self.decode_ns = 0
        self._identifier = identifier
        self._result = result
        self._reply = reply
        self._lock = threading.Lock()
        self._open = len(result)
        self._arrived_ns = time.monotonic_ns()
        self._queue_ns: int | None = None
        self._input_ns = self._infer_ns = self._output_ns = 0
        self._refused: list[int] = []
        self._error: str | None = None

    def started(self) -> None:
        """Note that an encoder takes some of its images now: the first time ends the waiting."""
        if self._queue_ns is None:
            self._queue_ns = max(0, time.monotonic_ns() - self._arrived_ns - self.decode_ns)

    def embedded(self, first: int, rows: npt.NDArray[np.float32], batch: Encoded) -> None:
        """Settle the images from `first` with their embeddings; the whole batch's times count as theirs."""
        self._result[first : first + len(rows)] = rows
        with self._lock:
            self._input_ns += batch.input_ns
            self._infer_ns += batch.infer_ns
            self._output_ns += batch.output_ns
        self._settle(len(rows))

    def refuse(self, index: int) -> None:
        """Settle an image that could not be decoded here."""
        with self._lock:
            self._refused.append(index)
        self._settle(1)

    def fail(self, images: int, error: str) -> None:
        """Settle images without embeddings."""
        self._error = error
        self._settle(images)

    def drop(self, images: int) -> None:
        """Settle images that nobody waits for."""
        self.fail(images, "cancelled")

    def _settle(self, images: int) -> None:
        with self._lock:
            self._open -= images
            if self._open:
                return
        self._reply(
            Done(
                self._identifier,
                self._error,
                sorted(self._refused),
                self._queue_ns or 0,
                self._input_ns + self.decode_ns,
                self._infer_ns,
                self._output_ns,
            )
        )


@dataclass(frozen=True)
class Segment:
    """Images of one request that follow each other.

    Attributes:
        first: index in the request of the first of them.
        pixels: UINT8 `[count, 3, 224, 224]`, a torch tensor on the host or on the encoder's device.
        ready: CUDA event after which `pixels` are complete, or None when they are already.
    """

    request: EngineRequest
    first: int
    pixels: Any
    ready: Any = None

    @property
    def count(self) -> int:
        """Number of images."""
        return len(self.pixels)

    def split(self, count: int) -> "tuple[Segment, Segment]":
        """Return the first `count` images and the rest."""
        return (
            Segment(self.request, self.first, self.pixels[:count], self.ready),
            Segment(self.request, self.first + count, self.pixels[count:], self.ready),
        )


class SegmentQueue:
    """First come, first served; a batch takes what is there, and splits the last segment to be full."""

    def __init__(self, delay_us: int) -> None:
        """Make an empty queue.

        Args:
            delay_us: microseconds that the first image of a batch waits for company; 0 when a lone one goes at once.
        """
        self._delay_s = delay_us / 1e6
        self._segments: deque[Segment] = deque()
        self._images = 0
        self._changed = threading.Condition()
        self._closed = False

    def put(self, segments: Sequence[Segment]) -> None:
        """Append segments."""
        with self._changed:
            self._segments.extend(segments)
            self._images += sum(segment.count for segment in segments)
            self._changed.notify()

    def close(self) -> None:
        """Let `take` end once the queue is empty."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, most: int, *, wait: bool) -> list[Segment] | None:
        """Return segments of up to `most` images together; empty when there are none and `wait` is false.

        Returns None when the queue is closed and empty. Images of cancelled requests are settled on the way.
        """
        with self._changed:
            while True:
                self._drop_cancelled()
                if self._segments or not wait or self._closed:
                    break
                self._changed.wait()
            if self._delay_s and wait and self._segments:
                self._changed.wait_for(lambda: self._images >= most or self._closed, self._delay_s)
                self._drop_cancelled()
            if not self._segments:
                return None if self._closed else []
            return self._pop(most)

    def _pop(self, most: int) -> list[Segment]:
        batch: list[Segment] = []
        room = most
        while self._segments and room:
            segment = self._segments.popleft()
            if segment.count > room:
                segment, rest = segment.split(room)
                self._segments.appendleft(rest)
            batch.append(segment)
            room -= segment.count
        self._images -= most - room
        return batch

    def _drop_cancelled(self) -> None:
        if not any(segment.request.cancelled for segment in self._segments):
            return
        kept: deque[Segment] = deque()
        for segment in self._segments:
            if segment.request.cancelled:
                self._images -= segment.count
                segment.request.drop(segment.count)
            else:
                kept.append(segment)
        self._segments = kept
