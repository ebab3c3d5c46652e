"""Plain REST for people and for existing clients: photos in, embeddings out, JSON."""

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from server.pytorch.body import read_body
from server.pytorch.context import Context, context
from server.pytorch.errors import BadRequest
from server.pytorch.ipc.arena import Blocks
from server.pytorch.waiting import answer_in_time

router = APIRouter(tags=["embeddings"])

ContextDependency = Annotated[Context, Depends(context)]

IMAGE_BODY = {"schema": {"type": "string", "format": "binary"}}
MULTIPART_BODY = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["files"],
            "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
        }
    }
}


class Base64Images(BaseModel):
    """Images as text."""

    images: list[str] = Field(description="base64, or data URIs such as `data:image/jpeg;base64,...`")


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
    """Embed one photo: the raw file as the body, or one multipart field `files`."""
    with parts.service.memory() as memory:
        files: list[bytes | memoryview]
        if _is_multipart(request):
            files = await _form_files(request)
        else:
            files = [await read_body(request, memory, parts.service.largest_block)]
        if len(files) != 1:
            raise BadRequest(f"{len(files)} files in the form; /embed takes one, /embed/batch takes several")
        embeddings = await _embed(request, files, parts, memory)
    return {"embedding": embeddings[0], "model_info": parts.model_info}


@router.post("/embed/batch", openapi_extra={"requestBody": {"required": True, "content": MULTIPART_BODY}})
async def embed_batch(request: Request, parts: ContextDependency) -> dict[str, Any]:
    """Embed several photos: multipart fields `files`."""
    if not _is_multipart(request):
        found = request.headers.get("content-type", "no Content-Type")
        raise BadRequest(f"expected multipart/form-data with fields named files, got {found}")
    with parts.service.memory() as memory:
        return _answer(await _embed(request, await _form_files(request), parts, memory), parts)


@router.post("/embed/base64")
async def embed_base64(request: Request, images: Base64Images, parts: ContextDependency) -> dict[str, Any]:
    """Embed several photos given as base64 or data URIs."""
    _check_count(len(images.images), parts)
    with parts.service.memory() as memory:
        files = [_decoded(text, index) for index, text in enumerate(images.images)]
        return _answer(await _embed(request, files, parts, memory), parts)


def _is_multipart(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("multipart/form-data")


async def _form_files(request: Request) -> list[bytes | memoryview]:
    async with request.form(max_fields=16) as form:
        uploads = form.getlist("files")
        for index, upload in enumerate(uploads):
            if not isinstance(upload, UploadFile):
                raise BadRequest(f"files[{index}]: a text field; expected an uploaded image file")
        return [await upload.read() for upload in uploads if isinstance(upload, UploadFile)]


def _decoded(text: str, index: int) -> bytes | memoryview:
    payload = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"images[{index}]: not base64 ({error})") from None


def _check_count(count: int, parts: Context) -> None:
    limit = parts.settings.max_batch_size
    if not 1 <= count <= limit:
        raise BadRequest(f"{count} images in the request; expected 1 to {limit} (MAX_BATCH_SIZE)")


async def _embed(
    request: Request, files: list[bytes | memoryview], parts: Context, memory: Blocks
) -> list[list[float]]:
    _check_count(len(files), parts)
    work = parts.service.embed_files(files, memory)
    done = await answer_in_time(request, work, parts.settings.request_timeout_s)
    rows: list[list[float]] = done.embeddings.tolist()
    return rows


def _answer(embeddings: list[list[float]], parts: Context) -> dict[str, Any]:
    return {"embeddings": embeddings, "model_info": parts.model_info, "count": len(embeddings)}
