"""A limit on request bodies that holds whether or not the client states a length."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.pytorch.errors import answer


class _TooLarge(Exception):
    pass


class BodyLimit:
    """ASGI middleware that answers 413 as soon as a body is known to exceed `limit` bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it sends."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0
        started = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        stated = dict(scope["headers"]).get(b"content-length", b"0")
        try:
            if stated.isdigit() and int(stated) > self._limit:
                raise _TooLarge
            await self._app(scope, counted, watched)
        except _TooLarge:
            if started:
                raise
            refusal = answer(
                413, f"the body is larger than {self._limit} bytes (MAX_BODY_MB); send fewer images at once"
            )
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
