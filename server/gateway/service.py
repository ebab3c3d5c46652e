"""What a Triton is asked to do for the clients of 8002, as much at once as may wait."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np

from server.gateway.answers import TritonFailed, file_error, words
from server.gateway.connection import Answer, Part
from server.gateway.tritons import Tritons
from server.http.context import Embeddings
from server.http.errors import QueueFull
from server.http.metrics import Metrics
from server.ipc.arena import Allocator, Arena, Blocks, blocks
from server.ipc.counters import Counters
from server.oip.header import HEADER_LENGTH
from server.oip.spec import EMBEDDING, EMBEDDING_SIZE, ENCODED_IMAGE, ENCODED_MODEL


class TritonService:
    """Runs both models."""

    def __init__(
        self, tritons: Tritons, arena: Arena, counters: Counters, row: int, *, max_queue_images: int, metrics: Metrics
    ) -> None:
        """Put the parts together.

        Args:
            tritons: serve the models.
            arena: holds the requests' bodies.
            counters: of all workers; this one writes `row`.
            max_queue_images: images that may wait, in all workers together.
            metrics: of this worker.
        """
        self._tritons = tritons
        self._arena = arena
        self._allocator = Allocator(arena.size)
        self._counters = counters
        self._row = row
        self._most = max_queue_images
        self._metrics = metrics

    def memory(self) -> AbstractContextManager[Blocks]:
        """Give a handler memory for its request.

        Raises:
            QueueFull: too much is waiting.
        """
        self._admit(1)
        return blocks(self._arena, self._allocator)

    @property
    def largest_block(self) -> int:
        """Bytes of a request body that still leave room for what else is waiting."""
        return self._arena.size // 4

    async def embed_files(self, files: Sequence[bytes | memoryview], _: Blocks, item: str = "image") -> Embeddings:
        """Return the embeddings FP32 `[N, 512]` of N image files, in one request; arguments and errors as in `Embedder`.

        Raises:
            TritonFailed: Triton could not do it.
        """
        elements = [part for file in files for part in (len(file).to_bytes(4, "little"), file)]
        tensor = {
            "name": ENCODED_IMAGE,
            "datatype": "BYTES",
            "shape": [len(files), 1],
            "parameters": {"binary_data_size": sum(map(len, elements))},
        }
        wanted = {"name": EMBEDDING, "parameters": {"binary_data": True}}
        head = json.dumps({"inputs": [tensor], "outputs": [wanted]}).encode()
        answer = await self.run(ENCODED_MODEL, len(files), {HEADER_LENGTH: str(len(head))}, [head, *elements])
        if answer.status != 200:
            raise file_error(answer, item) or TritonFailed(words(answer))
        data = memoryview(answer.body)[int(answer.headers.get(HEADER_LENGTH.lower().encode(), b"0")) :]
        if len(data) != 4 * EMBEDDING_SIZE * len(files):
            raise TritonFailed(f"{len(data)} bytes of embeddings of {len(files)} images")
        return np.frombuffer(data, np.float32).reshape(len(files), EMBEDDING_SIZE)

    async def run(self, model: str, images: int, fields: Mapping[str, str], body: Sequence[Part]) -> Answer:
        """Return Triton's answer to a request of `images` images, which is a refusal where its status is not 200.

        Raises:
            QueueFull, NotServing, DeadlineExceeded: it cannot be answered now.
        """
        self._admit(images)
        start, outcome = time.perf_counter(), "failure"
        self._counters.add_outstanding(self._row, images)
        try:
            answer = await self._tritons.ask("POST", f"/v2/models/{model}/infer", fields, body)
            outcome = "success" if answer.status == 200 else outcome
        finally:
            self._counters.add_outstanding(self._row, -images)
            self._metrics.requests.labels(model, outcome).inc()
        if outcome == "success":
            self._metrics.images.labels(model).inc(images)
            self._metrics.duration.labels(model).observe(time.perf_counter() - start)
        return answer

    def _admit(self, images: int) -> None:
        waiting = self._counters.outstanding
        if waiting and waiting + images > self._most:
            raise QueueFull(f"{waiting} images are waiting already, and {self._most} may (MAX_QUEUE_IMAGES); try again")
