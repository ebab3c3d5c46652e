"""Stopping port 8002: finish what was accepted, refuse the rest with an answer, then close.

Where another program accepts the port's connections by then, nothing is refused: those that are open get answers, each with
`Connection: close`, until none is left.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.acceptor import Acceptor
from server.http.connection import Connection, stopping

NOTICE_S = 0.5
"""How long clients with open connections, and those that are just connecting, are told that the server stops: a connection
closed at once would break off a request that is on its way."""


LAST_S = 0.25
"""How long the connections that were open when the port was closed may still bring a request and be told: uvicorn closes the
port and all of them at once, also one that was taken a moment before and whose request is on its way."""


LOOK_EVERY_S = 0.02
"""At whether connections are left, where another program takes new ones."""


class DrainingServer(uvicorn.Server):
    """uvicorn, but before it closes anything it answers new requests 503 until those in flight are done."""

    def __init__(
        self, config: uvicorn.Config, acceptor: Acceptor, until: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Prepare to serve what `acceptor` takes; `until` ends when it may begin to, at once if there is none."""
        super().__init__(config)
        self._acceptor = acceptor
        self._until = until
        self._waiting: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take connections; uvicorn listens to nothing itself."""
        await super().startup(sockets=[])
        if self._until is None:
            self._accept()
        else:
            self._waiting = asyncio.create_task(self._accept_after(self._until))

    async def _accept_after(self, until: Callable[[], Awaitable[None]]) -> None:
        await until()
        self._accept()

    def _accept(self) -> None:
        self._acceptor.start(
            lambda: Connection(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then close as uvicorn does."""
        handed_over = self._acceptor.handed_over
        waited = self._waiting is not None and self._waiting.cancel()
        if not (waited and handed_over):
            if waited:
                self._accept()
            await (self._leave() if handed_over else self._drain())
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        """Refuse what is new, and wait for what is not."""
        Connection.draining = True
        self._acceptor.keep_to_itself()
        in_flight = set(self.server_state.tasks)
        notice = asyncio.ensure_future(asyncio.sleep(NOTICE_S))
        _, late = await asyncio.wait({notice, *in_flight}, timeout=self.config.timeout_graceful_shutdown)
        for task in late:
            task.cancel()
        self._acceptor.close()
        if self._acceptor.serving:
            await asyncio.sleep(LAST_S)

    async def _leave(self) -> None:
        """Serve the connections that there are until each has had an answer that ends it."""
        Connection.leaving = True
        self._acceptor.keep_to_itself()
        self._acceptor.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await asyncio.sleep(NOTICE_S)  # another worker may have given one a moment ago
                while self._acceptor.serving:
                    await asyncio.sleep(LOOK_EVERY_S)
        for task in set(self.server_state.tasks):
            task.cancel()
        self._acceptor.close()


class Drainable:
    """ASGI middleware that ends connections while the server leaves, and answers 503 for what is given up then or when it drains."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            if Connection.leaving and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if begun or not (Connection.draining or Connection.leaving):
                raise
            await stopping(scope, receive, send)
