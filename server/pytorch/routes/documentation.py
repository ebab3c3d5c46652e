"""The OpenAPI document as a page of ours: it loads nothing from elsewhere, and works behind a prefix."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from server.console import guide, page

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
    """Return the page."""
    text = "\n".join(_markdown(request.app.openapi()))
    return HTMLResponse(guide.as_page(guide.parse(text), root="./", name="API"), headers=page.HEADERS)


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
