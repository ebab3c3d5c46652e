"""Plain REST for people and for existing clients: photos in, embeddings out, JSON."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from server.http.body import read_body
from server.http.context import Context, context
from server.http.documents import read_json
from server.http.errors import BadRequest, UnsupportedMedia
from server.http.forms import MULTIPART, form_files, media_type
from server.http.json_bodies import check_count
from server.http.waiting import answer_in_time
from server.ipc.arena import Blocks

router = APIRouter(tags=["embeddings"])

ContextDependency = Annotated[Context, Depends(context)]

JSON = "application/json"
IMAGE_BODY = {"schema": {"type": "string", "format": "binary"}}
MULTIPART_BODY = {
    MULTIPART: {
        "schema": {
            "type": "object",
            "required": ["files"],
            "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
        }
    }
}


BASE64_BODY = {
    JSON: {
        "schema": {
            "type": "object",
            "required": ["images"],
            "properties": {
                "images": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "base64, or data URIs such as `data:image/jpeg;base64,...`",
                }
            },
        }
    }
}


@router.post(
    "/embed",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"image/jpeg": IMAGE_BODY, "image/png": IMAGE_BODY, "image/webp": IMAGE_BODY, **MULTIPART_BODY},
        }
    },
)
async def embed(request: Request, parts: ContextDependency) -> dict[str, Any]:
    """Embed one photo: the raw file as the body, or one multipart field such as `files`."""
    kind = media_type(request)
    if kind == JSON:
        raise UnsupportedMedia(f"{JSON}; expected the image file itself or {MULTIPART}; /embed/base64 takes JSON")
    with parts.service.memory() as memory:
        files: list[bytes | memoryview]
        if kind == MULTIPART:
            files = await form_files(request)
        else:
            files = [await read_body(request, memory, parts.service.largest_block)]
        if len(files) != 1:
            raise BadRequest(f"{len(files)} files in the form; /embed takes one, /embed/batch takes several")
        embeddings = await _embed(request, files, parts, memory)
    return {"embedding": embeddings[0], "model_info": parts.model_info}


@router.post("/embed/batch", openapi_extra={"requestBody": {"required": True, "content": MULTIPART_BODY}})
async def embed_batch(request: Request, parts: ContextDependency) -> dict[str, Any]:
    """Embed several photos: one multipart field for each, all called `files` or otherwise alike."""
    if (kind := media_type(request)) != MULTIPART:
        raise UnsupportedMedia(
            f"{kind or 'no Content-Type'}; expected {MULTIPART}; /embed takes one raw file, /embed/base64 takes JSON"
        )
    with parts.service.memory() as memory:
        return _answer(await _embed(request, await form_files(request), parts, memory), parts)


@router.post("/embed/base64", openapi_extra={"requestBody": {"required": True, "content": BASE64_BODY}})
async def embed_base64(request: Request, parts: ContextDependency) -> dict[str, Any]:
    """Embed several photos given as base64 or data URIs, in JSON whatever the Content-Type."""
    kind = media_type(request)
    if kind == MULTIPART or kind.startswith("image/"):
        raise UnsupportedMedia(f'{kind}; expected {JSON}: {{"images": ["<base64>", ...]}}; /embed takes files')
    with parts.service.memory() as memory:
        files = await parts.documents.base64_files(await read_json(request, parts.settings.max_json_mb))
        return _answer(await _embed(request, files, parts, memory), parts)


async def _embed(
    request: Request, files: Sequence[bytes | memoryview], parts: Context, memory: Blocks
) -> list[list[float]]:
    check_count(len(files), parts.settings.max_batch_size)
    work = parts.service.embed_files(files, memory)
    rows: list[list[float]] = (await answer_in_time(request, work, parts.settings.request_timeout_s)).tolist()
    return rows


def _answer(embeddings: list[list[float]], parts: Context) -> dict[str, Any]:
    return {"embeddings": embeddings, "model_info": parts.model_info, "count": len(embeddings)}
