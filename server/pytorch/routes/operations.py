"""Readiness of the container, and facts about the machine."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from server.hardware import gpus
from server.pytorch.context import Context, context, ready_document

router = APIRouter(tags=["operations"])

ContextDependency = Annotated[Context, Depends(context)]


@router.get("/ready")
async def ready(parts: ContextDependency) -> JSONResponse:
    """Readiness of the whole container: 200 when every enabled backend is ready or skipped for a stated reason, else 503."""
    document = ready_document(parts)
    return JSONResponse(document, 200 if document["ready"] else 503)


@router.get("/gpu-info")
def gpu_info(parts: ContextDependency) -> dict[str, Any]:
    """The device in use and every GPU that the driver reports; memory in bytes."""
    return {"device": parts.hardware.device, "gpus": [asdict(gpu) for gpu in gpus()]}
