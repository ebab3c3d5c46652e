"""One connection of port 8002: uvicorn's protocol, with limits on what a client may do to it."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.pytorch.errors import RETRY_AFTER_S, answer

MAX_HEADER_BYTES = 32 * 1024
"""Of the request line and all headers; what nginx takes at most by default."""

LINGER_S = 3.0
"""How long what a refused client still sends is read and thrown away. Closing on data that nobody has read resets the
connection, and the client might never see its answer."""


async def stopping(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI application that answers while the server drains."""
    if scope["type"] == "http":
        refusal = answer(503, "the server is stopping; try again")
        refusal.headers["Connection"] = "close"
        await refusal(scope, receive, send)


class Lingering:
    """A transport that ends a connection without a reset for what the client is still sending."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._closing = False
        self.unread = False
        """Whether the client has more to send."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Tell whether nothing more will be written."""
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        """End the connection: at once, or after a moment of reading on."""
        if self.is_closing():
            return
        self._closing = True
        if self.unread and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
            self._loop.call_later(LINGER_S, self._transport.close)
        else:
            self._transport.close()


class Connection(HttpToolsProtocol):
    """Refuses headers beyond a size, clients that keep the server waiting, and all of a client that is one too many.

    Attributes:
        too_many: the limit on connections, where this one exceeds it; else 0.
        lost: told when the connection has ended.
    """

    client_timeout_s: ClassVar[float] = 20
    draining: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.too_many = 0
        self.lost: Callable[[Connection], None] = lambda _: None
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a request, unless there are too many connections."""
        super().connection_made(Lingering(transport, self.loop))  # type: ignore[arg-type]
        if self.too_many:
            self._refuse(503, f"{self.too_many} connections are open already (MAX_CONNECTIONS); try again")
        else:
            self._expect_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._expect_nothing()
        super().connection_lost(exc)
        self.lost(self)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and see what is missing."""
        if self.transport.is_closing():
            return
        began = self._in_head and self._head_bytes > 0
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._head_bytes > MAX_HEADER_BYTES:
            self._refuse_head()
        elif self._in_head and self._head_bytes:
            if not began:  # one deadline for the whole head, however it trickles in
                self._expect_more()
        elif not self._in_head:
            self._expect_more()
        else:
            self._expect_nothing()

    def on_headers_complete(self) -> None:
        """Start the request whose head is complete."""
        self._in_head = False
        self._head_bytes = 0
        self._set_unread(True)
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEADER_BYTES:
            self._refuse_head()
            return
        if self.draining:
            self.app = stopping
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the head of another may follow."""
        self._in_head = True
        self._set_unread(False)
        if not self.transport.is_closing():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in the form of all our errors."""
        self._refuse(400, msg)

    def _set_unread(self, unread: bool) -> None:
        self.transport.unread = unread  # type: ignore[attr-defined]

    def _expect_more(self) -> None:
        self._expect_nothing()
        self._timer = self.loop.call_later(self.client_timeout_s, self._waited_too_long)

    def _expect_nothing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _waited_too_long(self) -> None:
        self._timer = None
        if self.flow.read_paused:  # here it is the server that does not read
            self._expect_more()
        elif self._answering():
            self.transport.close()
        else:
            self._refuse(408, f"nothing more of the request within {self.client_timeout_s:g} s (CLIENT_TIMEOUT_S)")

    def _answering(self) -> bool:
        return self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete

    def _refuse_head(self) -> None:
        self._refuse(431, f"the request's line and headers are larger than {MAX_HEADER_BYTES} bytes")

    def _refuse(self, status: int, message: str) -> None:
        """Answer outside of the application, and end the connection."""
        self._expect_nothing()
        if self.transport.is_closing():
            return
        self._set_unread(True)
        if not self._answering():
            body = json.dumps({"error": message}).encode()
            head = [
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
                "content-type: application/json",
                f"content-length: {len(body)}",
                "connection: close",
                *([f"retry-after: {RETRY_AFTER_S}"] if status == 503 else []),
            ]
            self.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # its application learns that nobody waits for it
            self.cycle.message_event.set()
        self.transport.close()
