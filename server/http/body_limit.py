"""A limit on request bodies that holds whether or not the client states a length."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.errors import answer


class BodyLimit:
    """ASGI middleware that answers 413 as soon as a body is known to exceed `limit` bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit
        self._refusal = f"the body is larger than {limit} bytes (MAX_BODY_MB); send fewer images at once"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it sends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > self._limit:
            refusal = answer(413, self._refusal)
            refusal.headers["Connection"] = "close"  # instead of reading on for the rest
            await refusal(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, self._refusal)
            return message

        await self._app(scope, counted, send)
