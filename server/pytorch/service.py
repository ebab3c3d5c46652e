"""The two models as the routes see them: image files or pixels in, embeddings and timings out."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from server.hardware import Hardware
from server.images import ImageError, prepare
from server.model import artifacts
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.oip.statistics import ModelStatistics
from server.pytorch.batcher import Batcher, Embedded, Pixels
from server.pytorch.encoder import Encoded, Encoder
from server.pytorch.metrics import Metrics
from server.settings import Settings


@dataclass(frozen=True)
class _Decoded:
    """Pixels `[3, 224, 224]` or why there are none, and when a decoding thread had the file in hand (ns)."""

    pixels: Pixels | None
    error: ImageError | None
    start_ns: int
    end_ns: int


class EmbeddingService:
    """Decoding threads in front of the batcher, with the statistics of both models."""

    def __init__(self, settings: Settings, hardware: Hardware, encoder: Encoder, metrics: Metrics) -> None:
        self._max_pixels = int(settings.max_megapixels * 1e6)
        self._decoders = ThreadPoolExecutor(hardware.decode_workers, thread_name_prefix="decode")
        self._metrics = metrics
        self.statistics = {name: ModelStatistics(name, "1") for name in (PIXEL_MODEL, ENCODED_MODEL)}
        self._batcher = Batcher(
            encoder.encode,
            max_batch=settings.max_batch_size,
            delay_us=settings.batch_delay_us,
            on_execution=self._record_execution,
        )
        metrics.waiting.set_function(lambda: self._batcher.waiting)

    async def embed_pixels(self, pixels: Pixels) -> Embedded:
        """Embed UINT8 `[N, 3, 224, 224]`."""
        return await self._recorded(PIXEL_MODEL, self._batcher.embed(pixels))

    async def embed_files(self, files: Sequence[bytes | memoryview], item: str = "image") -> Embedded:
        """Embed N image files.

        Args:
            files: JPEG, PNG or WebP files.
            item: what the caller calls one of them, for messages such as `image[3]: not a JPEG, PNG or WebP image`.

        Raises:
            ImageError: naming the first file that cannot be used.
        """
        return await self._recorded(ENCODED_MODEL, self._decode_and_embed(files, item))

    def stop(self) -> None:
        """Finish what was accepted."""
        self._decoders.shutdown()
        self._batcher.stop()

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
        return done

    async def _decode_and_embed(self, files: Sequence[bytes | memoryview], item: str) -> Embedded:
        loop = asyncio.get_running_loop()
        submitted_ns = time.monotonic_ns()
        decoded = await asyncio.gather(*(loop.run_in_executor(self._decoders, self._decode, file) for file in files))
        for index, one in enumerate(decoded):
            if one.error is not None:
                raise one.error.in_item(f"{item}[{index}]")
        started_ns = min(one.start_ns for one in decoded)
        decode_ns = max(one.end_ns for one in decoded) - started_ns
        done = await self._batcher.embed(np.stack([one.pixels for one in decoded if one.pixels is not None]))
        return Embedded(
            done.embeddings,
            done.queue_ns + started_ns - submitted_ns,
            done.input_ns + decode_ns,
            done.infer_ns,
            done.output_ns,
        )

    def _decode(self, file: bytes | memoryview) -> _Decoded:
        start_ns = time.monotonic_ns()
        try:
            pixels, error = prepare(file, max_pixels=self._max_pixels), None
        except ImageError as problem:
            pixels, error = None, problem
        return _Decoded(pixels, error, start_ns, time.monotonic_ns())

    def _record_execution(self, images: int, encoded: Encoded) -> None:
        # Both models run through the same batches; Triton, too, books an ensemble's executions on the inner model.
        self.statistics[PIXEL_MODEL].record_execution(images, encoded.input_ns, encoded.infer_ns, encoded.output_ns)
        self._metrics.batch_size.observe(images)


def load_service(settings: Settings, hardware: Hardware, metrics: Metrics) -> EmbeddingService:
    """Load the exported weights and start serving; takes seconds, so call it outside the event loop.

    Raises:
        ModelError: nothing has been exported.
    """
    model = artifacts.require(settings)
    encoder = Encoder(
        settings.home.root / model.weights.path,
        quick_gelu=model.quick_gelu,
        device=hardware.device,
        half=hardware.precision == "fp16",
        threads=hardware.threads,
    )
    return EmbeddingService(settings, hardware, encoder, metrics)
