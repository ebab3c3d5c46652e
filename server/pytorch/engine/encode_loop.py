"""The loop that keeps the encoder busy: it launches the next batch before it waits for the one before."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from server.pytorch.engine.work import Encoded, Segment, SegmentQueue

log = logging.getLogger("bakeoff.pytorch")


class Encoder(Protocol):
    """The model on one device."""

    max_batch: int
    depth: int
    """Batches that may be in flight at the same time."""

    def launch(self, segments: list[Segment]) -> Any:
        """Begin to embed the images of `segments`, at most `max_batch`, and return what `collect` needs.

        A launch that raises may have taken the place of one of `depth` batches.
        """
        ...

    def collect(self, flight: Any) -> Encoded:
        """Wait for a launched batch; its embeddings are valid until `depth` more batches were launched."""
        ...


class EncodeLoop:
    """Takes batches from the queue until it is closed."""

    def __init__(
        self,
        encoder: Encoder,
        queue: SegmentQueue,
        *,
        on_execution: Callable[[int, Encoded], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            on_execution: told the size and the times of each batch.
            on_error: told of a batch that failed, after its requests were.
        """
        self._encoder = encoder
        self._queue = queue
        self._on_execution = on_execution
        self._on_error = on_error

    def run(self) -> None:
        """Work until the queue is closed and empty."""
        flights: deque[tuple[list[Segment], Any]] = deque()
        while True:
            batch = self._queue.take(self._encoder.max_batch, wait=not flights)
            if batch is None and not flights:
                return
            if batch:
                self._launch(batch, flights)
            if flights and (not batch or len(flights) >= self._encoder.depth):
                self._finish(*flights.popleft())

    def _launch(self, batch: list[Segment], flights: deque[tuple[list[Segment], Any]]) -> None:
        for segment in batch:
            segment.request.started()
        try:
            flights.append((batch, self._encoder.launch(batch)))
        except Exception as error:  # one batch that fails must not end the loop that serves all others
            while flights:  # the failed one may have taken a place: the next would take that of one not yet collected
                self._finish(*flights.popleft())
            self._fail(batch, error)

    def _finish(self, batch: list[Segment], flight: Any) -> None:
        try:
            encoded = self._encoder.collect(flight)
        except Exception as error:
            self._fail(batch, error)
            return
        self._on_execution(sum(segment.count for segment in batch), encoded)
        row = 0
        for segment in batch:
            segment.request.embedded(segment.first, encoded.embeddings[row : row + segment.count], encoded)
            row += segment.count

    def _fail(self, batch: list[Segment], error: Exception) -> None:
        log.error("a batch of %d images failed: %r", sum(segment.count for segment in batch), error)
        for segment in batch:
            segment.request.fail(segment.count, "the model failed on this batch; the server's log has the details")
        self._on_error(error)
