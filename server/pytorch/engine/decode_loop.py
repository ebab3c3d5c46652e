"""The thread that decodes JPEG files on the GPU while the encoder works on the batch before."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from server.ipc.arena import Bytes
from server.pytorch.engine.work import EngineRequest, Segment, SegmentQueue

MAX_FILES = 64
"""Files in one call of the decoder; its throughput has reached its plateau there."""

MAX_PIXELS = 32_000_000
"""Pixels in one call. It bounds the memory for decoded images: 3 bytes a pixel, and twice that while resizing."""

log = logging.getLogger("bakeoff.pytorch")


@dataclass(frozen=True)
class JpegFile:
    """One JPEG file of a request, at `index` in it, of `pixels` = width times height."""

    request: EngineRequest
    index: int
    data: Bytes
    pixels: int


class Decoder(Protocol):
    """JPEG files in, model input out."""

    def prepare(self, files: list[Bytes]) -> tuple[Any, set[int], Any]:
        """Decode, resize and crop.

        Returns:
            UINT8 `[N, 3, 224, 224]` on the device, the positions of files that could not be decoded (their pixels are
            undefined), and the CUDA event after which the pixels are complete.
        """
        ...


class DecodeLoop:
    """Takes files and puts segments of pixels into the encoder's queue."""

    def __init__(self, decoder: Decoder, queue: SegmentQueue, *, on_error: Callable[[Exception], None]) -> None:
        """Prepare; `start` does the work. `on_error` is told of a call that failed, after its requests were."""
        self._decoder = decoder
        self._queue = queue
        self._on_error = on_error
        self._files: deque[JpegFile] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, files: list[JpegFile]) -> None:
        """Append the files of a request."""
        with self._changed:
            self._files.extend(files)
            self._changed.notify()

    def close(self) -> None:
        """Decode what is left, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (files := self._take()) is not None:
            if not files:
                continue
            start = time.monotonic_ns()
            try:
                pixels, refused, ready = self._decoder.prepare([file.data for file in files])
            except Exception as error:  # one call that fails must not end the thread that serves all others
                log.error("decoding %d files failed: %r", len(files), error)
                for file in files:
                    file.request.fail(1, "the decoder failed on this batch; the server's log has the details")
                self._on_error(error)
                continue
            took = time.monotonic_ns() - start
            for request in {file.request for file in files}:
                request.decode_ns += took
            self._queue.put(_segments(files, pixels, refused, ready))
            for position in refused:
                files[position].request.refuse(files[position].index)

    def _take(self) -> list[JpegFile] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._files or self._closed)
            if not self._files:
                return None
            taken: list[JpegFile] = []
            room = MAX_PIXELS
            while self._files and len(taken) < MAX_FILES and (not taken or self._files[0].pixels <= room):
                file = self._files.popleft()
                if file.request.cancelled:
                    file.request.drop(1)
                    continue
                taken.append(file)
                room -= file.pixels
            return taken


def _segments(files: list[JpegFile], pixels: Any, refused: set[int], ready: Any) -> list[Segment]:
    """Return the runs of files that follow each other in one request."""
    segments = []
    start = 0
    for position in range(1, len(files) + 1):
        ends = position == len(files) or (
            files[position].request is not files[start].request
            or files[position].index != files[start].index + position - start
            or position in refused
            or start in refused
        )
        if ends:
            if start not in refused:
                segments.append(Segment(files[start].request, files[start].index, pixels[start:position], ready))
            start = position
    return segments
