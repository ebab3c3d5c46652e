"""The Open Inference Protocol v2 over HTTP, with Triton's binary tensors, statistics and model configuration."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from server.http.body import read_body
from server.http.documents import AT_ONCE, read_json, too_long
from server.http.observed import offer_id
from server.http.routes.models import SpecDependency, model_spec
from server.http.waiting import answer_in_time
from server.ipc.arena import Blocks
from server.oip.header import parse_header_length
from server.oip.model import ModelSpec, metadata, server_metadata
from server.oip.request import InferRequest, parse_request
from server.oip.response import encode_response
from server.oip.spec import EMBEDDING, ENCODED_IMAGE, ENCODED_MODEL, IMAGE
from server.pytorch.context import Context, context
from server.pytorch.service import Pixels

router = APIRouter(prefix="/v2", tags=["open inference protocol"])
infer_router = APIRouter()  # of the one route that is asked all the time: matched before all others

ContextDependency = Annotated[Context, Depends(context)]


@router.get("")
@router.get("/", include_in_schema=False)
async def server() -> dict[str, Any]:
    """Server metadata."""
    return server_metadata()


@router.get("/health/live")
async def live() -> Response:
    """Liveness of this server."""
    return Response()


@router.get("/health/ready")
async def ready(parts: ContextDependency) -> Response:
    """Readiness of this server alone (`/ready` speaks for the whole container)."""
    return Response(status_code=200 if parts.loaded else 503)


@router.get("/models/stats")
async def all_statistics(parts: ContextDependency) -> dict[str, Any]:
    """Statistics of both models."""
    return {"model_stats": [one.snapshot() for one in parts.service.statistics.values()]}


@router.get("/models/{model}")
@router.get("/models/{model}/versions/{version}")
async def model_metadata(spec: SpecDependency) -> dict[str, Any]:
    """Names, datatypes and shapes of a model's inputs and outputs."""
    return metadata(spec)


@router.get("/models/{model}/ready")
@router.get("/models/{model}/versions/{version}/ready")
async def model_ready(spec: SpecDependency, parts: ContextDependency) -> Response:
    """Readiness of one model."""
    return Response(status_code=200 if parts.loaded else 503)


@router.get("/models/{model}/config")
@router.get("/models/{model}/versions/{version}/config")
async def model_config(spec: SpecDependency, parts: ContextDependency) -> dict[str, Any]:
    """The settings that decide how a model is served, in the form of Triton's model configuration."""
    return {
        "name": spec.name,
        "platform": spec.platform,
        "max_batch_size": spec.max_batch_size,
        "dynamic_batching": {"max_queue_delay_microseconds": parts.settings.batch_delay_us},
        "parameters": {"precision": {"string_value": parts.model_info["precision"]}},
    }


@router.get("/models/{model}/stats")
@router.get("/models/{model}/versions/{version}/stats")
async def statistics(spec: SpecDependency, parts: ContextDependency) -> dict[str, Any]:
    """Statistics of one model, as Triton's statistics extension has them."""
    return {"model_stats": [parts.service.statistics[spec.name].snapshot()]}


async def infer(request: Request) -> Response:
    """Run a model on JSON or binary tensors.

    A plain Starlette route: resolving FastAPI's dependencies would take as long as all else that is done here.
    """
    parts = await context(request)
    spec = await model_spec(request.path_params["model"], parts, request.path_params.get("version", "1"))
    with parts.service.memory() as memory:
        parsed = await _parsed(request, spec, parts, memory)
        offer_id(request.scope, parsed.id)
        work = _response(parsed, spec, parts, memory)
        return await answer_in_time(request, work, parts.settings.request_timeout_s)


for _path in ("/models/{model}/infer", "/models/{model}/versions/{version}/infer"):
    infer_router.add_route(f"{router.prefix}{_path}", infer, methods=["POST"])


async def _response(parsed: InferRequest, spec: ModelSpec, parts: Context, memory: Blocks) -> Response:
    if spec.name == ENCODED_MODEL:
        files = cast("list[bytes | memoryview]", parsed.inputs[ENCODED_IMAGE])
        embeddings = await parts.service.embed_files(files, memory, item=ENCODED_IMAGE)
    else:
        embeddings = await parts.service.embed_pixels(cast("Pixels", parsed.inputs[IMAGE]), memory)
    encoded = encode_response(spec, parsed, {EMBEDDING: embeddings})
    response = Response(b"".join(encoded.chunks), media_type=encoded.content_type)
    if encoded.header_length is not None:
        response.headers["Inference-Header-Content-Length"] = str(encoded.header_length)
    return response


async def _parsed(request: Request, spec: ModelSpec, parts: Context, memory: Blocks) -> InferRequest:
    """Parse the request; its binary tensors are views of `memory`, and what JSON stands before them is short."""
    header_length = request.headers.get("inference-header-content-length")
    if header_length is None:
        return await parts.documents.infer_request(await read_json(request, parts.settings.max_json_mb), spec)
    body = await read_body(request, memory, parts.service.largest_block)
    if parse_header_length(header_length, len(body)) > AT_ONCE:
        raise too_long(f"the {AT_ONCE} bytes that may stand before binary tensors")
    return parse_request(body, header_length, spec)
