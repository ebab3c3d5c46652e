"""The Open Inference Protocol as the engines serve it: tensors are parsed here, and embeddings encoded."""

from typing import Any, cast

from fastapi import Request
from fastapi.responses import Response

from server.http.body import read_body
from server.http.documents import AT_ONCE, Documents, read_json, too_long
from server.http.observed import offer_id
from server.http.waiting import answer_in_time
from server.ipc.arena import Blocks
from server.oip.header import parse_header_length
from server.oip.model import ModelSpec, metadata
from server.oip.request import InferRequest, parse_request
from server.oip.response import encode_response
from server.oip.spec import EMBEDDING, ENCODED_IMAGE, ENCODED_MODEL, IMAGE
from server.pytorch.engine_client import EngineClient
from server.pytorch.service import EmbeddingService, Pixels
from server.settings import Settings


class EngineModels:
    """Both models."""

    def __init__(
        self,
        engines: EngineClient,
        service: EmbeddingService,
        documents: Documents,
        settings: Settings,
        described: dict[str, Any],
    ) -> None:
        """Put the parts together; `described` is what is said of the model."""
        self._engines = engines
        self._service = service
        self._documents = documents
        self._settings = settings
        self._described = described

    async def ready(self, _: ModelSpec) -> bool:
        """Tell whether an engine has the model loaded, which both models are."""
        return self._engines.loaded is not None

    async def metadata(self, spec: ModelSpec) -> dict[str, Any]:
        """Describe the tensors."""
        return metadata(spec)

    async def config(self, spec: ModelSpec) -> dict[str, Any]:
        """Describe how the model is served."""
        loaded = self._engines.loaded
        precision = loaded.precision if loaded else self._described["precision"]
        return {
            "name": spec.name,
            "platform": spec.platform,
            "max_batch_size": spec.max_batch_size,
            "dynamic_batching": {"max_queue_delay_microseconds": self._settings.batch_delay_us},
            "parameters": {"precision": {"string_value": precision}},
        }

    async def statistics(self, spec: ModelSpec | None) -> dict[str, Any]:
        """Return the counters of one model, or of both."""
        counted = self._service.statistics
        return {"model_stats": [one.snapshot() for name, one in counted.items() if spec is None or name == spec.name]}

    async def infer(self, request: Request, spec: ModelSpec) -> Response:
        """Answer a request; for errors see `parse_request` and `EmbeddingService`."""
        with self._service.memory() as memory:
            parsed = await self._parsed(request, spec, memory)
            offer_id(request.scope, parsed.id)
            work = self._response(parsed, spec, memory)
            return await answer_in_time(request, work, self._settings.request_timeout_s)

    async def _response(self, parsed: InferRequest, spec: ModelSpec, memory: Blocks) -> Response:
        if spec.name == ENCODED_MODEL:
            files = cast("list[bytes | memoryview]", parsed.inputs[ENCODED_IMAGE])
            embeddings = await self._service.embed_files(files, memory, item=ENCODED_IMAGE)
        else:
            embeddings = await self._service.embed_pixels(cast("Pixels", parsed.inputs[IMAGE]), memory)
        encoded = encode_response(spec, parsed, {EMBEDDING: embeddings})
        response = Response(b"".join(encoded.chunks), media_type=encoded.content_type)
        if encoded.header_length is not None:
            response.headers["Inference-Header-Content-Length"] = str(encoded.header_length)
        return response

    async def _parsed(self, request: Request, spec: ModelSpec, memory: Blocks) -> InferRequest:
        """Parse the request; its binary tensors are views of `memory`, and what JSON stands before them is short."""
        header_length = request.headers.get("inference-header-content-length")
        if header_length is None:
            return await self._documents.infer_request(await read_json(request, self._settings.max_json_mb), spec)
        body = await read_body(request, memory, self._service.largest_block)
        if parse_header_length(header_length, len(body)) > AT_ONCE:
            raise too_long(f"the {AT_ONCE} bytes that may stand before binary tensors")
        return parse_request(body, header_length, spec)
