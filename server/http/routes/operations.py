"""Liveness, metrics and facts about the model."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from server.http.context import Context, context

router = APIRouter(tags=["operations"])

ContextDependency = Annotated[Context, Depends(context)]


@router.get("/health")
@router.get("/healthz")
async def health() -> dict[str, str]:
    """Liveness: the process answers."""
    return {"status": "alive"}


@router.get("/model-info")
async def model_info(parts: ContextDependency) -> dict[str, Any]:
    """The model that is served, and whether its embeddings mean anything."""
    return parts.model_info


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(parts: ContextDependency) -> PlainTextResponse:
    """Prometheus metrics of this server, all its processes together."""
    return PlainTextResponse(parts.metrics.render(), media_type=CONTENT_TYPE_LATEST)
