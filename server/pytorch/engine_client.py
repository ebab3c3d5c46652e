"""The engines as a worker uses them: images in, embeddings out, in memory that they share."""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from server.oip.spec import EMBEDDING_SIZE
from server.pytorch.admission import LOOK_EVERY_S, Admission
from server.pytorch.engine_link import EngineLink, QueueFull
from server.pytorch.ipc.arena import Allocator, Arena, Blocks, blocks
from server.pytorch.ipc.counters import Counters
from server.pytorch.ipc.messages import EmbedFiles, EmbedPixels, Loaded


class EngineFailed(RuntimeError):
    """An engine could not embed the images; its log says why."""


@dataclass(frozen=True)
class Embedded:
    """One request's embeddings FP32 `[N, 512]`, a view of memory that lasts as long as the request, and its times.

    Attributes:
        refused: rows without an embedding, because the engine could not decode the file.
    """

    embeddings: npt.NDArray[np.float32]
    refused: tuple[int, ...]
    queue_ns: int
    input_ns: int
    infer_ns: int
    output_ns: int


@dataclass(frozen=True)
class File:
    """A JPEG file in the arena; `pixels` is its width times its height."""

    offset: int
    length: int
    pixels: int


class EngineClient:
    """All engines, and this worker's memory that they share."""

    def __init__(
        self,
        channels: Sequence[socket.socket],
        arena: Arena,
        counters: Counters,
        row: int,
        *,
        max_batch: int,
        max_queue_images: int,
        request_timeout_s: float,
    ) -> None:
        """Prepare; `start` listens.

        Args:
            channels: this worker's ends, one per engine.
            counters: of all processes; this one writes `row`.
            max_batch: images that one engine computes at once.
            max_queue_images: images that may be outstanding for each engine, in all workers together.
            request_timeout_s: seconds after which nobody waits for an answer any more.
        """
        self._arena = arena
        self._allocator = Allocator(arena.size)
        self._counters = counters
        self._admission = Admission(
            most=max_queue_images * len(channels), at_once=max_batch * len(channels), deadline_s=request_timeout_s
        )
        self._looking: asyncio.Task[None] | None = None
        self._all = [EngineLink(channel, lambda images: counters.add_outstanding(row, images)) for channel in channels]

    def start(self) -> None:
        """Listen to all engines, in the running event loop."""
        for engine in self._all:
            engine.start()
        self._looking = asyncio.create_task(self._look())

    def close(self) -> None:
        """Hang up."""
        if self._looking is not None:
            self._looking.cancel()
        for engine in self._all:
            engine.close()

    @property
    def loaded(self) -> Loaded | None:
        """What the engines are, once all of them take requests; they are alike."""
        found = [engine.loaded for engine in self._all]
        return found[0] if all(found) else None

    @property
    def outstanding(self) -> int:
        """Images that wait or are computed, in all workers together."""
        return self._counters.outstanding

    @property
    def arena_size(self) -> int:
        """Bytes of shared memory."""
        return self._arena.size

    def memory(self) -> AbstractContextManager[Blocks]:
        """Give a handler blocks of shared memory."""
        return blocks(self._arena, self._allocator)

    def admit(self, images: int) -> None:
        """Check that `images` more may wait.

        Raises:
            QueueFull: they may not.
        """
        if refusal := self._admission.refusal(self.outstanding, images):
            raise QueueFull(refusal)

    async def _look(self) -> None:
        while True:
            self._admission.look(time.monotonic(), self.outstanding, self._counters.embedded)
            await asyncio.sleep(LOOK_EVERY_S)

    async def embed_pixels(self, offset: int, count: int, memory: Blocks) -> Embedded:
        """Embed `count` images of UINT8 `[3, 224, 224]` that follow each other from `offset` of the arena.

        Raises:
            QueueFull, NotReady, EngineFailed: see there.
            ArenaFull: there is no room for the embeddings.
        """
        return await self._embed(count, memory, lambda result: EmbedPixels(0, count, offset, result))

    async def embed_files(self, files: Sequence[File], memory: Blocks) -> Embedded:
        """Embed JPEG files in the arena, of an engine that decodes; errors as above."""
        return await self._embed(
            len(files),
            memory,
            lambda result: EmbedFiles(
                0,
                [file.offset for file in files],
                [file.length for file in files],
                [file.pixels for file in files],
                result,
            ),
        )

    async def _embed(self, count: int, memory: Blocks, message: Callable[[int], EmbedPixels | EmbedFiles]) -> Embedded:
        self.admit(count)
        embeddings, result = memory.array((count, EMBEDDING_SIZE), np.float32)
        engine = min(self._all, key=lambda engine: engine.outstanding)
        done = await engine.ask(message(result), count, memory)
        if done.error:
            raise EngineFailed(done.error)
        return Embedded(
            embeddings,  # type: ignore[arg-type]  # FP32, as asked for
            tuple(done.refused),
            done.queue_ns,
            done.input_ns,
            done.infer_ns,
            done.output_ns,
        )
