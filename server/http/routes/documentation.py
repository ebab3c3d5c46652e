"""The OpenAPI document of all routes of the port, and the same as a page, which loads nothing from elsewhere and works behind a prefix."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from server.http import pages

DOCUMENT = "openapi.json"

RELATIVE: dict[str, Any] = {
    "openapi_url": None,  # ours has the console's routes, too
    "docs_url": None,
    "redoc_url": None,
    "servers": [{"url": "."}],  # seen from the document
    "redirect_slashes": False,
}
"""What an app is made with, so that no address in its answers is from the root."""

router = APIRouter(include_in_schema=False)


@router.get(f"/{DOCUMENT}")
async def openapi(request: Request) -> JSONResponse:
    """Return the document."""
    return JSONResponse(await _document(request))


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Return the page."""
    text = "\n".join(_markdown(await _document(request)))
    return HTMLResponse(pages.as_page(pages.parse(text), root="./", name="API"), headers=pages.HEADERS)


async def _document(request: Request) -> dict[str, Any]:
    """Return the app's own document with the paths that it passes on, as the console describes them."""
    own: dict[str, Any] = request.app.openapi()
    others = await request.app.state.console.document()
    return {
        **own,
        "paths": {**own["paths"], **others.get("paths", {})},
        "components": {"schemas": {**_schemas(others), **_schemas(own)}},
    }


def _schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document.get("components", {}).get("schemas", {})
    return found


def _markdown(document: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of an OpenAPI document as Markdown: its routes by tag, each with what it takes."""
    yield f"# {document['info']['title']} {document['info']['version']}\n"
    yield f"For programs: [{DOCUMENT}]({DOCUMENT}). With a key every request needs `Authorization: Bearer KEY`.\n"
    routes = [
        (operation.get("tags", ["other"])[0], method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for tag in dict.fromkeys(tag for tag, *_ in routes):
        yield f"## {tag.capitalize()}\n"
        for _, method, path, operation in (route for route in routes if route[0] == tag):
            yield f"### `{method} {path}`\n\n{operation.get('description', operation['summary'])}\n"
            yield from map(_parameter, operation.get("parameters", ()))
            for kind, body in operation.get("requestBody", {}).get("content", {}).items():
                yield f"- body: `{kind}`: `{json.dumps(body['schema'])}`"
            yield ""


def _parameter(found: dict[str, Any]) -> str:
    words = [f"- `{found['name']}` in the {found['in']}", found["schema"].get("type", ""), found.get("description", "")]
    return ", ".join(filter(None, words))
