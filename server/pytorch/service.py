"""The two models as the routes see them: image files or pixels in, embeddings and timings out."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from server.http.context import Embeddings
from server.http.errors import NotReady
from server.http.metrics import STAGES, Metrics
from server.http.tracing import note_stages
from server.images import ImageError
from server.images.decoding import Decoded, Decoders, decoded, image_errors
from server.images.jpeg import gpu_decodable
from server.ipc.arena import Blocks
from server.oip.spec import ENCODED_MODEL, IMAGE_SHAPE, PIXEL_MODEL
from server.oip.statistics import ModelStatistics
from server.pytorch.engine_client import Embedded, EngineClient, PlacedFile

Pixels = npt.NDArray[np.uint8]


class EmbeddingService:
    """Decoding processes beside the engines, with the statistics of both models."""

    def __init__(
        self,
        engines: EngineClient,
        *,
        max_pixels: int,
        decoders: Decoders,
        statistics: dict[str, ModelStatistics],
        metrics: Metrics,
    ) -> None:
        """Put the parts together.

        Args:
            max_pixels: the most pixels that one image may have.
            decoders: of what the engines do not decode.
            statistics: by model.
        """
        self._engines = engines
        self._max_pixels = max_pixels
        self._decoders = decoders
        self._metrics = metrics
        self.statistics = statistics

    def stop(self) -> None:
        """End the decoding processes."""
        self._decoders.close()

    def memory(self) -> AbstractContextManager[Blocks]:
        """Give a handler shared memory, for its request and for the embeddings that it gets.

        Raises:
            NotReady: no engine has the model loaded.
            QueueFull: too much is waiting.
        """
        if self._engines.loaded is None:
            raise NotReady(f"{self._engines.missing}; ask GET /ready when to come back")
        self._engines.admit(1)
        return self._engines.memory()

    @property
    def largest_block(self) -> int:
        """Bytes of a request body that still leave room for what else is waiting."""
        return self._engines.arena_size // 4

    async def embed_pixels(self, pixels: Pixels, memory: Blocks) -> Embeddings:
        """Return the embeddings FP32 `[N, 512]` of UINT8 `[N, 3, 224, 224]`.

        Raises:
            QueueFull, NotReady, ArenaFull, EngineFailed: it cannot be done now, or it failed.
        """
        return (await self._recorded(PIXEL_MODEL, self._embed_pixels(pixels, memory))).embeddings

    async def embed_files(self, files: Sequence[bytes | memoryview], memory: Blocks, item: str = "image") -> Embeddings:
        """Return the embeddings FP32 `[N, 512]` of N image files; arguments and errors as in `Embedder`.

        Raises:
            EngineFailed: an engine could not do it.
        """
        return (await self._recorded(ENCODED_MODEL, self._embed_files(files, memory, item))).embeddings

    async def _recorded(self, model: str, work: Coroutine[None, None, Embedded]) -> Embedded:
        start = time.monotonic_ns()
        try:
            done = await work
        except BaseException:
            self.statistics[model].record_failure(time.monotonic_ns() - start)
            self._metrics.requests.labels(model, "failure").inc()
            raise
        images, total_ns = len(done.embeddings), time.monotonic_ns() - start
        self.statistics[model].record_success(
            images, done.queue_ns, done.input_ns, done.infer_ns, done.output_ns, total_ns
        )
        self._metrics.requests.labels(model, "success").inc()
        self._metrics.images.labels(model).inc(images)
        self._metrics.duration.labels(model).observe(total_ns / 1e9)
        stages = (done.queue_ns, done.input_ns, done.infer_ns, done.output_ns)
        seconds = {stage: ns / 1e9 for stage, ns in zip(STAGES, stages, strict=True)}
        self._metrics.observe_stages(model, seconds)
        note_stages(seconds)
        return done

    async def _embed_pixels(self, pixels: Pixels, memory: Blocks) -> Embedded:
        return await self._engines.embed_pixels(memory.place(pixels), len(pixels), memory)

    async def _embed_files(self, files: Sequence[bytes | memoryview], memory: Blocks, item: str) -> Embedded:
        sizes = self._for_the_gpu(files)
        if not any(sizes):
            return await self._decode_and_embed(files, range(len(files)), memory, item)
        chosen = [index for index, size in enumerate(sizes) if size]
        placed = [PlacedFile(memory.place(files[index]), len(files[index]), sizes[index]) for index in chosen]
        if len(chosen) == len(files):
            done = await self._engines.embed_files(placed, memory)
            parts: list[tuple[Sequence[int], Embedded]] = [(chosen, done)]
        else:
            others = [index for index, size in enumerate(sizes) if not size]
            # What cannot be used is found before the GPU is asked to do anything.
            decoded = await self._decode_and_embed([files[index] for index in others], others, memory, item)
            done = await self._engines.embed_files(placed, memory)
            parts = [(others, decoded), (chosen, done)]
        if done.refused:
            refused = [chosen[position] for position in done.refused]
            again = await self._decode_and_embed([files[index] for index in refused], refused, memory, item)
            parts.append((refused, again))
        return parts[0][1] if len(parts) == 1 else _joined(len(files), parts)

    def _for_the_gpu(self, files: Sequence[bytes | memoryview]) -> list[int]:
        """Return the pixels of each file that an engine is to decode, 0 for those that are decoded here."""
        loaded = self._engines.loaded
        if loaded is None or loaded.decode == "cpu" or sum(map(len, files)) > self.largest_block:
            return [0] * len(files)
        sizes = [gpu_decodable(file) or (0, 0) for file in files]
        return [width * height if width * height <= self._max_pixels else 0 for width, height in sizes]

    async def _decode_and_embed(
        self, files: Sequence[bytes | memoryview], indices: Sequence[int], memory: Blocks, item: str
    ) -> Embedded:
        """Decode on the CPU; `indices` are the files' positions in the request, for messages."""
        submitted_ns = time.monotonic_ns()
        found = await self._decode(files, indices, item)
        started_ns = min(one.start_ns for one in found)
        decode_ns = max(one.end_ns for one in found) - started_ns
        pixels, offset = memory.array((len(files), *IMAGE_SHAPE), np.uint8)
        for row, one in enumerate(found):
            pixels[row] = one.pixels
        done = await self._engines.embed_pixels(offset, len(files), memory)
        return replace(done, queue_ns=done.queue_ns + started_ns - submitted_ns, input_ns=done.input_ns + decode_ns)

    async def _decode(self, files: Sequence[bytes | memoryview], indices: Sequence[int], item: str) -> list[Decoded]:
        """Decode all, or as many as there are before the first that cannot be used."""
        waiting = [asyncio.wrap_future(self._decoders.submit(file)) for file in files]
        found = []
        try:
            for index, one in zip(indices, waiting, strict=True):
                try:
                    with image_errors():
                        found.append(decoded(await one))
                except ImageError as error:
                    raise error.in_item(f"{item}[{index}]") from None
            return found
        finally:
            for one in waiting:
                if not one.cancel() and not one.cancelled():
                    one.exception()  # of one that nobody asks for any more


def _joined(count: int, parts: list[tuple[Sequence[int], Embedded]]) -> Embedded:
    """Return one request's embeddings from its parts, of which later ones overrule earlier ones; their times add up."""
    embeddings = np.empty((count, parts[0][1].embeddings.shape[1]), np.float32)
    for rows, part in parts:
        embeddings[list(rows)] = part.embeddings
    done = [part for _, part in parts]
    return Embedded(
        embeddings,
        (),
        sum(part.queue_ns for part in done),
        sum(part.input_ns for part in done),
        sum(part.infer_ns for part in done),
        sum(part.output_ns for part in done),
    )
