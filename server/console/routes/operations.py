"""Readiness and metrics of the container, and facts about the machine."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from server.console.context import Parts, Readiness
from server.console_paths import ALIVE, CONTAINER_METRICS, READY
from server.hardware import gpus

router = APIRouter(tags=["operations"])
own_router = APIRouter(include_in_schema=False)
"""For the stack itself."""


@router.get(READY)
async def ready(document: Readiness) -> JSONResponse:
    """Readiness of the whole container: 200 when every enabled backend is ready or skipped for a stated reason, else 503."""
    return JSONResponse(document, 200 if document["ready"] else 503)


@router.get("/gpu-info")
def gpu_info(parts: Parts) -> dict[str, Any]:
    """The device in use and every GPU that the driver reports; memory in bytes."""
    return {"device": parts.device, "gpus": [asdict(gpu) for gpu in gpus()]}


@own_router.get(CONTAINER_METRICS)
def metrics(request: Request) -> PlainTextResponse:
    """Prometheus metrics of the container."""
    return PlainTextResponse(generate_latest(request.app.state.metrics), media_type=CONTENT_TYPE_LATEST)


@own_router.get(ALIVE)
async def alive() -> dict[str, str]:
    """Liveness of the console."""
    return {"status": "alive"}
