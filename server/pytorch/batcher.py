"""Dynamic batching: requests that wait at the same time share one run of the model.

One thread owns the model. It takes what waits, up to the largest batch, and runs it; what arrives meanwhile is the next
batch. So a lone request never waits for company (unless a delay is set), and batches grow by themselves under load.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from server.pytorch.encoder import Encoded

Pixels = npt.NDArray[np.uint8]
Encode = Callable[[Pixels], Encoded]
OnExecution = Callable[[int, Encoded], None]


class Stopped(RuntimeError):
    """The batcher takes no more work because the server is stopping."""


@dataclass(frozen=True)
class Embedded:
    """One request's embeddings FP32 `[N, 512]`, the time it waited, and the times of the batch it ran in (ns)."""

    embeddings: npt.NDArray[np.float32]
    queue_ns: int
    input_ns: int
    infer_ns: int
    output_ns: int


@dataclass(frozen=True)
class _Waiting:
    pixels: Pixels
    future: asyncio.Future[Embedded]
    loop: asyncio.AbstractEventLoop
    since_ns: int = field(default_factory=time.monotonic_ns)

    def resolve(self, result: Embedded | BaseException) -> None:
        self.loop.call_soon_threadsafe(self._set, result)

    def _set(self, result: Embedded | BaseException) -> None:
        if self.future.done():  # its client went away
            return
        if isinstance(result, BaseException):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class Batcher:
    """Merges requests of up to `max_batch` images into batches of up to `max_batch` images."""

    def __init__(self, encode: Encode, *, max_batch: int, delay_us: int, on_execution: OnExecution) -> None:
        """Start the thread that owns the model.

        Args:
            encode: runs the model on UINT8 `[N, 3, 224, 224]`; called from one thread only.
            max_batch: most images in one run.
            delay_us: microseconds that the first request of a batch waits for company.
            on_execution: told the size and times of each run, from the batching thread.
        """
        self._encode = encode
        self._max_batch = max_batch
        self._delay_ns = delay_us * 1000
        self._on_execution = on_execution
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    async def embed(self, pixels: Pixels) -> Embedded:
        """Embed UINT8 `[N, 3, 224, 224]`, N from 1 to `max_batch`.

        Raises:
            Stopped: after `stop`.
        """
        if self._stopped:
            raise Stopped("the server is stopping")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(pixels, loop.create_future(), loop)
        self._queue.put(waiting)
        return await waiting.future

    @property
    def waiting(self) -> int:
        """Requests that wait for the model now."""
        return self._queue.qsize()

    def stop(self) -> None:
        """Finish what was accepted, then end the thread."""
        self._stopped = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        following: _Waiting | None = None
        while True:
            first = following or self._queue.get()
            if first is None:
                return
            batch, following, last = self._collect(first)
            self._execute(batch)
            if last:
                return

    def _collect(self, first: _Waiting) -> tuple[list[_Waiting], _Waiting | None, bool]:
        """Return the next batch, a request that was taken but does not fit into it, and whether to stop after it."""
        batch, room = [first], self._max_batch - len(first.pixels)
        deadline_ns = first.since_ns + self._delay_ns
        while room > 0:
            wait_s = max(0, deadline_ns - time.monotonic_ns()) / 1e9
            try:
                waiting = self._queue.get(timeout=wait_s) if wait_s else self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                return batch, None, True
            if len(waiting.pixels) > room:
                return batch, waiting, False
            batch.append(waiting)
            room -= len(waiting.pixels)
        return batch, None, False

    def _execute(self, batch: list[_Waiting]) -> None:
        batch = [waiting for waiting in batch if not waiting.future.cancelled()]  # nobody reads those any more
        if not batch:
            return
        start_ns = time.monotonic_ns()
        try:
            pixels = batch[0].pixels if len(batch) == 1 else np.concatenate([waiting.pixels for waiting in batch])
            merged_ns = time.monotonic_ns() - start_ns
            encoded = self._encode(pixels)
        except Exception as error:  # one batch that fails must not end the thread that serves all others
            for waiting in batch:
                waiting.resolve(error)
            return
        self._on_execution(len(pixels), encoded)
        row = 0
        for waiting in batch:
            rows = encoded.embeddings[row : row + len(waiting.pixels)]
            row += len(waiting.pixels)
            waiting.resolve(
                Embedded(
                    rows, start_ns - waiting.since_ns, encoded.input_ns + merged_ns, encoded.infer_ns, encoded.output_ns
                )
            )
