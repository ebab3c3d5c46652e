"""Keeping one backend, or all: the choice is checked and written down here, and the gate carries it out."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from server.console.context import Parts
from server.console_paths import KEEP
from server.http.documents import read_json
from server.http.errors import Unprocessable, answer
from server.http.front_status import CLIENT
from server.keep.choice import Choice, Refused, asked

MOST_MB = 1

router = APIRouter(tags=["status page"])

BODY: dict[str, Any] = {"required": True, "content": {"application/json": {"schema": Choice.model_json_schema()}}}


@router.post(KEEP, status_code=202, openapi_extra={"requestBody": BODY})
async def keep(request: Request, parts: Parts) -> JSONResponse:
    """Keep one backend and have the others ended, or have all back; `/ready` says how far that is."""
    try:
        choice = Choice.model_validate_json(await read_json(request, MOST_MB))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise Unprocessable(f'{where}: {first["msg"]}; send {{"keep": "NAME"}}, `winner` or `all`') from None
    by = f"somebody@{request.headers.get(CLIENT, 'unknown')}"
    try:
        made = await run_in_threadpool(asked, parts.settings, choice, by)
    except Refused as refusal:
        return answer(refusal.status, str(refusal))
    return JSONResponse(made.model_dump(mode="json"), 202)
