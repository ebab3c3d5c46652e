"""The engines as a worker uses them: images in, embeddings out, in memory that they share."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from server.http.errors import NotReady, QueueFull
from server.ipc import handover
from server.ipc.arena import Allocator, Arena, Blocks, blocks
from server.ipc.counters import Counters
from server.ipc.messages import EmbedFiles, EmbedPixels, Loaded
from server.oip.spec import EMBEDDING_SIZE
from server.pytorch.admission import LOOK_EVERY_S, Admission
from server.pytorch.engine_link import STOPPED, EngineLink

CONNECTED_WITHIN_S = 2.0
CONNECTED_LOOK_S = 0.005

log = logging.getLogger("bakeoff.pytorch")


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
class PlacedFile:
    """A JPEG file in the arena; `pixels` is its width times its height."""

    offset: int
    length: int
    pixels: int


class EngineClient:
    """All engines, and this worker's memory that they share."""

    def __init__(
        self,
        control: socket.socket,
        arena: Arena,
        counters: Counters,
        row: int,
        *,
        engine_rows: Sequence[int],
        max_batch: int,
        max_queue_images: int,
        request_timeout_s: float,
    ) -> None:
        """Prepare; `start` listens.

        Args:
            control: over which the parent hands a channel to each engine, and to each that takes the place of one that died.
            counters: of all processes; this one writes `row`.
            engine_rows: the engines' rows, in their order.
            max_batch: images that one engine computes at once.
            max_queue_images: images that may be outstanding for each engine, in all workers together.
            request_timeout_s: seconds after which nobody waits for an answer any more.
        """
        control.setblocking(False)
        self._control = control
        self._arena = arena
        self._allocator = Allocator(arena.size)
        self._counters = counters
        self._row = row
        self._engine_rows = engine_rows
        self._admission = Admission(
            most=max_queue_images * len(engine_rows),
            at_once=max_batch * len(engine_rows),
            deadline_s=request_timeout_s,
        )
        self._looking: asyncio.Task[None] | None = None
        self._links: dict[int, EngineLink] = {}
        self._replaced = False

    def start(self) -> None:
        """Listen to all engines, in the running event loop."""
        asyncio.get_running_loop().add_reader(self._control, self._connect)
        self._looking = asyncio.create_task(self._look())

    async def connected(self, timeout_s: float = CONNECTED_WITHIN_S) -> None:
        """Wait for the engines that have loaded already: for a worker that takes the place of one that died."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while any(map(self._counters.last_beat, self._engine_rows)) and not self.loaded:
                    await asyncio.sleep(CONNECTED_LOOK_S)

    async def some_loaded(self) -> None:
        """Wait until requests can be served."""
        while self.loaded is None:
            await asyncio.sleep(CONNECTED_LOOK_S)

    def close(self) -> None:
        """Hang up."""
        if self._looking is not None:
            self._looking.cancel()
            asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        for link in self._links.values():
            link.close()

    @property
    def loaded(self) -> Loaded | None:
        """What the engines that take requests are, which are alike; None while there is none."""
        return next((link.loaded for link in self._links.values() if link.loaded), None)

    @property
    def lost(self) -> bool:
        """Whether an engine has ended since this worker began."""
        return self._replaced or not all(link.open for link in self._links.values())

    @property
    def missing(self) -> str | None:
        """Which engines take no requests and why, for a person; None when all do."""
        loading = [
            number
            for number in range(len(self._engine_rows))
            if not (link := self._links.get(number)) or not link.loaded
        ]
        if not loading:
            return None
        which = "the engine" if len(self._engine_rows) == 1 else f"engine {', '.join(map(str, loading))}"
        return f"{which} has stopped and loads the model again" if self.lost else f"{which} is still loading the model"

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

    def _connect(self) -> None:
        try:
            engine = handover.receive(self._control)
        except BlockingIOError:
            return
        except OSError as error:  # it would refuse all that comes, and nobody would miss it
            log.error("an engine cannot be connected, so the worker ends and is started again: %s", error)
            os._exit(1)
        if engine is None:  # the parent stops
            asyncio.get_running_loop().remove_reader(self._control)
            return
        if before := self._links.pop(engine.number, None):
            before.finish()
            self._replaced = True
        link = EngineLink(engine.channel, lambda images: self._counters.add_outstanding(self._row, images))
        link.start()
        self._links[engine.number] = link

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

    async def embed_files(self, files: Sequence[PlacedFile], memory: Blocks) -> Embedded:
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
        links = [link for link in self._links.values() if link.loaded]
        if not links:
            raise NotReady(STOPPED)
        embeddings, result = memory.array((count, EMBEDDING_SIZE), np.float32)
        link = min(links, key=lambda link: link.outstanding)
        done = await link.ask(message(result), count, memory)
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
