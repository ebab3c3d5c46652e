"""Stopping port 8002: finish what was accepted, refuse the rest with an answer, then close."""

import asyncio
import socket

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


class DrainingServer(uvicorn.Server):
    """uvicorn, but before it closes anything it answers new requests 503 until those in flight are done."""

    def __init__(self, config: uvicorn.Config, acceptor: Acceptor) -> None:
        super().__init__(config)
        self._acceptor = acceptor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take connections; uvicorn listens to nothing itself."""
        await super().startup(sockets=[])
        self._acceptor.start(
            lambda: Connection(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then close as uvicorn does."""
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
        await super().shutdown(sockets)


class Drainable:
    """ASGI middleware that answers 503 for a request that is given up because the time to drain is over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if begun or not Connection.draining:
                raise
            await stopping(scope, receive, send)
