"""The Open Inference Protocol v2 over HTTP, with Triton's binary tensors, statistics and model configuration."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from server.http.context import Context, context
from server.oip.errors import InferenceError
from server.oip.model import ModelSpec, server_metadata

router = APIRouter(prefix="/v2", tags=["open inference protocol"])
infer_router = APIRouter()  # of the one route that is asked all the time: matched before all others

ContextDependency = Annotated[Context, Depends(context)]


async def model_spec(model: str, parts: ContextDependency, version: str = "1") -> ModelSpec:
    """FastAPI dependency: the model that the path names.

    Raises:
        InferenceError: 404, naming the models that are served.
    """
    spec = parts.specs.get(model)
    if spec is None:
        raise InferenceError(404, f"unknown model '{model}'; this server has {', '.join(parts.specs)}")
    if version not in spec.versions:
        raise InferenceError(
            404, f"unknown version '{version}' of model '{model}'; there is {', '.join(spec.versions)}"
        )
    return spec


SpecDependency = Annotated[ModelSpec, Depends(model_spec)]


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
    """Readiness of both models (`/ready` speaks for the whole container)."""
    models = [await parts.models.ready(spec) for spec in parts.specs.values()]
    return Response(status_code=200 if all(models) else 503)


@router.get("/models/stats")
async def all_statistics(parts: ContextDependency) -> dict[str, Any]:
    """Statistics of all models."""
    return await parts.models.statistics(None)


@router.get("/models/{model}")
@router.get("/models/{model}/versions/{version}")
async def model_metadata(spec: SpecDependency, parts: ContextDependency) -> dict[str, Any]:
    """Names, datatypes and shapes of a model's inputs and outputs."""
    return await parts.models.metadata(spec)


@router.get("/models/{model}/ready")
@router.get("/models/{model}/versions/{version}/ready")
async def model_ready(spec: SpecDependency, parts: ContextDependency) -> Response:
    """Readiness of one model."""
    return Response(status_code=200 if await parts.models.ready(spec) else 503)


@router.get("/models/{model}/config")
@router.get("/models/{model}/versions/{version}/config")
async def model_config(spec: SpecDependency, parts: ContextDependency) -> dict[str, Any]:
    """The settings that decide how a model is served, in the form of Triton's model configuration."""
    return await parts.models.config(spec)


@router.get("/models/{model}/stats")
@router.get("/models/{model}/versions/{version}/stats")
async def statistics(spec: SpecDependency, parts: ContextDependency) -> dict[str, Any]:
    """Statistics of one model, as Triton's statistics extension has them."""
    return await parts.models.statistics(spec)


async def infer(request: Request) -> Response:
    """Run a model on JSON or binary tensors.

    A plain Starlette route: resolving FastAPI's dependencies would take as long as all else that is done here.
    """
    parts = await context(request)
    spec = await model_spec(request.path_params["model"], parts, request.path_params.get("version", "1"))
    return await parts.models.infer(request, spec)


for _path in ("/models/{model}/infer", "/models/{model}/versions/{version}/infer"):
    infer_router.add_route(f"{router.prefix}{_path}", infer, methods=["POST"])
