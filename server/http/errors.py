"""From an exception to an answer: every error is `{"error": "<what was found, what was expected>"}`, as Triton's are."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.status import HTTP_405_METHOD_NOT_ALLOWED

from server.http.observed import give_reason
from server.http.waiting import ClientGone, DeadlineExceeded
from server.images import ImageError
from server.ipc.arena import ArenaFull
from server.oip.errors import InferenceError

RETRY_AFTER_S = "2"

CLIENT_CLOSED_REQUEST = 499
"""nginx's code for an answer that nobody reads; it ends up in logs only."""

log = logging.getLogger("bakeoff.http")


class NotReady(RuntimeError):
    """The server cannot take the request now; the client may try again."""

    reason = "not_ready"
    """Under which it is counted."""


class QueueFull(NotReady):
    """As many images wait as may wait, or can be embedded in time."""

    reason = "queue_full"


class BadRequest(ValueError):
    """The request cannot be served as it is; the message says what was found and what was expected."""

    status = 400


class Unprocessable(BadRequest):
    """A form or document that is well formed but not what is expected."""

    status = 422


class UnsupportedMedia(BadRequest):
    """A body of a kind that the route does not take."""

    status = 415


def answer(status: int, message: str) -> JSONResponse:
    """Return an error answer."""
    headers = {"Retry-After": RETRY_AFTER_S} if status == 503 else None
    return JSONResponse({"error": message}, status, headers)


def install(app: FastAPI) -> None:
    """Give `app` an answer for everything that its routes may raise; no traceback reaches a client."""

    async def image(request: Request, error: Exception) -> JSONResponse:
        give_reason(request.scope, "image")
        return answer(400, str(error))

    async def bad_request(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, BadRequest)
        return answer(error.status, str(error))

    async def inference(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, InferenceError)
        return answer(error.status, str(error))

    async def not_ready(request: Request, error: Exception) -> JSONResponse:
        give_reason(request.scope, error.reason if isinstance(error, NotReady) else "not_ready")
        return answer(503, str(error))

    async def arena_full(request: Request, __: Exception) -> JSONResponse:
        give_reason(request.scope, "queue_full")
        return answer(503, "too many large requests are waiting already; try again")

    async def too_late(_: Request, error: Exception) -> JSONResponse:
        return answer(504, str(error))

    async def gone(_: Request, __: Exception) -> JSONResponse:
        return answer(CLIENT_CLOSED_REQUEST, "the client closed the connection")

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404 and request.url.path.strip("/") and request.url.path.endswith("/"):
            # Starlette's own redirect names the whole address, as this server sees it: behind a prefix that is another one.
            name = request.url.path.rstrip("/").rpartition("/")[2]
            return RedirectResponse(str(request.url.replace(scheme="", netloc="", path=f"../{name}")))
        if error.status_code != HTTP_405_METHOD_NOT_ALLOWED:
            return answer(error.status_code, str(error.detail))
        methods = set((error.headers or {})["Allow"].split(", "))
        allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
        refusal = answer(error.status_code, f"{request.url.path} does not take {request.method}; allowed: {allowed}")
        refusal.headers["Allow"] = allowed
        return refusal

    async def validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return answer(422, f"{where or 'body'}: {first['msg']}")

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed: %r", request.method, request.url.path, error, exc_info=error)
        return answer(500, "internal error; the server's log has the details")

    app.add_exception_handler(ImageError, image)
    app.add_exception_handler(BadRequest, bad_request)
    app.add_exception_handler(InferenceError, inference)
    app.add_exception_handler(NotReady, not_ready)
    app.add_exception_handler(ArenaFull, arena_full)
    app.add_exception_handler(DeadlineExceeded, too_late)
    app.add_exception_handler(ClientGone, gone)
    app.add_exception_handler(ClientDisconnect, gone)  # in the middle of the body
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(Exception, unexpected)
