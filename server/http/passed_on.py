"""Passing on what the console answers: requests that have come past the checks of port 8002, streamed both ways over a Unix socket.

The console trusts that socket, so nothing that opens the port is passed on with a request, and nothing else than its own paths.
"""

import asyncio
import json
import logging
import string
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote_from_bytes

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from server.console_paths import BEHIND_KEY, CONTAINER_METRICS, OPEN, OPENAPI, READY, TRY
from server.http.errors import RETRY_AFTER_S, answer
from server.http.front_status import CLIENT, HEADER, FrontStatus
from server.http.observed import HEADER as REQUEST_ID
from server.http.observed import give_reason, request_id
from server.http.tracing import onward
from server.http.waiting import ClientGone
from server.readiness import not_ready

ASKED = frozenset(
    (b"accept", b"accept-encoding", b"content-length", b"content-type", b"if-modified-since", b"if-none-match",
     b"if-range", b"range")
)  # fmt: skip
"""Headers that are passed on as they came; all others are between the client and port 8002."""

KEPT_BACK = frozenset((b"connection", b"date", b"keep-alive", b"server", b"transfer-encoding"))
"""Headers of an answer that are between the console and port 8002."""

CONNECTIONS = 128
"""That a worker may have to the console; more requests wait, for `ANSWER_S` at most."""

IDLE_S = 30.0
"""After which a connection is closed here: earlier than at the console, so that none is found closed."""

ANSWER_S = 10.0
TRIAL_ANSWER_S = 240.0
"""A photo goes through three backends, which may take a minute each."""

METRICS_S = 0.75
"""Less than the gate waits for a metrics page."""

HOST = "http://console"

log = logging.getLogger("bakeoff.http")


def over_socket(path: Path) -> httpx.AsyncHTTPTransport:
    """Return connections to the console that listens, now or later, at `path`."""
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=IDLE_S)
    return httpx.AsyncHTTPTransport(uds=str(path), limits=limits, trust_env=False)


class Console:
    """The console, as whoever serves port 8002 reaches it; an ASGI application for the paths that it answers."""

    def __init__(self, transport: httpx.AsyncBaseTransport, status: Callable[[], FrontStatus]) -> None:
        """Connect to nobody yet; `status` is what the console is told of its front."""
        self._transport = transport
        self._status = status

    async def close(self) -> None:
        """Hang up."""
        await self._transport.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back; 503 in words where there is none.

        Raises:
            ClientGone: before there was one.
        """
        request = Request(scope, receive)
        try:
            found = await self._ask(request)
        except httpx.TransportError as error:
            log.debug("%s was not passed on: %r", scope["path"], error)
            give_reason(scope, "console")
            await _missing(scope["path"])(scope, receive, send)
            return
        try:
            headers = [(name.lower(), value) for name, value in found.headers.raw]
            kept = [(name, value) for name, value in headers if name not in KEPT_BACK]
            await send({"type": "http.response.start", "status": found.status_code, "headers": kept})
            async for piece in found.stream:  # type: ignore[union-attr]  # a transport's stream is asynchronous
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})
        except httpx.TransportError as error:  # the connection is closed, so that the client sees that it has not all
            log.warning("the console ended in the middle of its answer to %s: %r", scope["path"], error)
        finally:
            await found.aclose()

    async def metrics(self) -> bytes:
        """Return the container's metrics; nothing while the console does not answer."""
        return await self._read(CONTAINER_METRICS, METRICS_S) or b""

    async def document(self) -> dict[str, Any]:
        """Return the OpenAPI document of its paths; an empty one while it does not answer."""
        text = await self._read(OPENAPI, ANSWER_S)
        return cast("dict[str, Any]", json.loads(text)) if text else {}

    async def _read(self, path: str, within_s: float) -> bytes | None:
        try:
            async with asyncio.timeout(within_s):
                request = httpx.Request("GET", HOST + path, extensions=_within(within_s))
                found = await self._transport.handle_async_request(request)
                try:
                    return await found.aread() if found.status_code == httpx.codes.OK else None
                finally:
                    await found.aclose()
        except (httpx.TransportError, TimeoutError):
            return None

    async def _ask(self, request: Request) -> httpx.Response:
        """Return the head of the answer, and give up when the client leaves before it."""
        read = asyncio.Event()
        asking = asyncio.ensure_future(self._transport.handle_async_request(self._onward(request, read)))
        leaving = asyncio.ensure_future(_left(request, read))
        try:
            await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise ClientGone
            return asking.result()
        finally:
            for task in (asking, leaving):
                task.cancel()

    def _onward(self, request: Request, read: asyncio.Event) -> httpx.Request:
        path, has_body = request.url.path, request.method != "GET"
        query = quote_from_bytes(request.scope["query_string"], safe=string.punctuation)
        headers = [(name, value) for name, value in request.scope["headers"] if name in ASKED]
        if not has_body:
            headers = [(name, value) for name, value in headers if name != b"content-length"]
            read.set()
        own = {
            REQUEST_ID: request_id(request.scope),
            HEADER: self._status().as_header(),
            CLIENT: request.client.host if request.client else "unknown",
            **onward(request.headers),
        }
        headers += [(name.encode(), value.encode("latin-1")) for name, value in own.items()]
        target = f"{path}?{query}" if query else path
        return httpx.Request(
            request.method,
            HOST + path,
            headers=headers,
            content=_body(request, read) if has_body else None,
            extensions={
                **_within(TRIAL_ANSWER_S if path == TRY else ANSWER_S),
                "target": target.encode("ascii"),  # as it is: nothing in it is resolved or quoted once more
            },
        )


def pass_on(app: FastAPI, console: Console) -> None:
    """Have `app` pass the console's paths on, of any method."""
    app.state.console = console
    for path in (*OPEN, *BEHIND_KEY):
        app.add_route(path, console, include_in_schema=False)  # type: ignore[arg-type]  # an ASGI application may stand here


def _missing(path: str) -> JSONResponse:
    words = f"the console, which answers {path}, does not answer; supervisord starts it again, and its log says why"
    if path == READY:  # whoever asks this expects a document
        return JSONResponse(not_ready({}, words), 503, {"Retry-After": RETRY_AFTER_S})
    return answer(503, words)


def _within(seconds: float) -> dict[str, Any]:
    return {"timeout": {"connect": ANSWER_S, "pool": ANSWER_S, "write": ANSWER_S, "read": seconds}}


async def _body(request: Request, read: asyncio.Event) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        yield piece
    read.set()


async def _left(request: Request, read: asyncio.Event) -> None:
    """Return when the client has left after its body was read; while it is read, reading tells."""
    await read.wait()
    while (await request.receive())["type"] != "http.disconnect":
        continue
