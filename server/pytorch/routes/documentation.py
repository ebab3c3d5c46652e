"""The pages that FastAPI makes of the OpenAPI document; theirs name it from the root, where a prefix would be missing."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse

DOCUMENT = "openapi.json"

RELATIVE: dict[str, Any] = {
    "docs_url": None,
    "redoc_url": None,
    "servers": [{"url": "."}],  # seen from the document
    "redirect_slashes": False,
}
"""What an app is made with, so that no address in its answers is from the root."""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Return Swagger's page."""
    return get_swagger_ui_html(openapi_url=DOCUMENT, title=request.app.title)


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Return ReDoc's page."""
    return get_redoc_html(openapi_url=DOCUMENT, title=request.app.title)
