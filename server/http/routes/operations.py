"""Liveness, metrics and facts about the model."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from server.http.context import Context, context
from server.http.passed_on import Console

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
async def metrics(request: Request, parts: ContextDependency) -> PlainTextResponse:
    """Prometheus metrics of this server, all its processes together, and of the container while the console answers."""
    console: Console = request.app.state.console
    own, containers = await asyncio.gather(run_in_threadpool(parts.metrics.render), console.metrics())
    return PlainTextResponse(own + containers, media_type=CONTENT_TYPE_LATEST)
