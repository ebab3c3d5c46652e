"""One connection of port 8002: uvicorn's protocol, with limits on what a client may do to it."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.http.errors import RETRY_AFTER_S, answer

MAX_HEADER_BYTES = 32 * 1024
"""Of the request line and all headers, and once more of a chunked body's trailers, extensions and padding; what nginx takes
at most by default."""

MIN_BODY_BYTES_PER_S = 500
"""At which a body has to come on average; Apache's mod_reqtimeout has the same by default."""

CHUNKED_STEP = 4096
"""Bytes of a chunked body that are parsed at once, because only the parser knows where it ends and the next request begins."""

HEAD_END = b"\r\n\r\n"

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

    def write(self, data: bytes) -> None:
        """Send `data`, unless nothing more will be written: whoever was answering when a client was refused may go on."""
        if not self.is_closing():
            self._transport.write(data)

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
    """Refuses heads and trailers beyond a size, clients that keep the server waiting, and all of a client that is one too many.

    Attributes:
        too_many: the limit on connections, where this one exceeds it; else 0.
        lost: told when the connection has ended.
        draining: new requests are answered 503.
        leaving: each answer ends its connection, because another program takes new ones.
    """

    client_timeout_s: ClassVar[float] = 20
    draining: ClassVar[bool] = False
    leaving: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.too_many = 0
        self.lost: Callable[[Connection], None] = lambda _: None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._held = b""
        self._in_head = True
        self._head_bytes = 0
        self._head_tail = b""
        self._body_left: int | None = 0  # None: chunked
        self._chunk_bytes = 0
        self._framing_bytes = 0

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
        self._held = b""
        super().connection_lost(exc)
        self.lost(self)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, up to the request that is to be answered first."""
        if self.transport.is_closing():  # read only so that the client is not reset before it has read its answer
            return
        self._unset_keepalive_if_required()
        self._held = self._held + data if self._held else data
        self._parse()

    def on_response_complete(self) -> None:
        """Go on with what was held back."""
        super().on_response_complete()
        self._parse()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is thrown away, because it must not count as one (RFC 9110, section 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request whose head is complete."""
        if self._head_bytes > MAX_HEADER_BYTES:
            self._refuse_head("line and headers")
            return
        fields = dict(self.headers)
        self._body_left = None if b"transfer-encoding" in fields else int(fields.get(b"content-length", 0))
        if self.parser.should_upgrade() and self._body_left != 0:
            # llhttp takes the body for what follows the upgrade; it would be read as the next request.
            self._refuse(400, "HTTP/1.1 is all that is spoken here; send a request with a body without Upgrade")
            return
        self._in_head = False
        self._head_bytes = self._chunk_bytes = self._framing_bytes = 0
        self._head_tail = b""
        self._set_unread(True)
        self._expect_more()
        if self.draining:
            self.app = stopping
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._chunk_bytes += len(body)
        self._framing_bytes -= len(body)
        if self._body_left is not None:
            self._body_left -= len(body)
        if self._deadline is not None:
            self._expect_until(self._deadline + len(body) / MIN_BODY_BYTES_PER_S)
        if not self.transport.is_closing():
            super().on_body(body)

    def on_chunk_complete(self) -> None:
        """Forgive a chunk what it cannot be sent without."""
        self._framing_bytes -= len(f"{self._chunk_bytes:x}\r\n\r\n")
        self._chunk_bytes = 0

    def on_message_complete(self) -> None:
        """End a request; the head of another may follow."""
        self._in_head = True
        self._expect_nothing()
        self._set_unread(False)
        if not self.transport.is_closing():
            super().on_message_complete()

    def _set_unread(self, unread: bool) -> None:
        self.transport.unread = unread  # type: ignore[attr-defined]

    def _parse(self) -> None:
        """Feed the parser in pieces that end where a head or a body does, and stop while a request waits for its answer."""
        data, position = self._held, 0
        while position < len(data) and not self._at_work() and not self.transport.is_closing():
            end = min(self._end_of_piece(data, position), len(data))
            piece = memoryview(data)[position:end]
            if self._in_head:
                if not self._head_bytes:  # one deadline for the whole head, however it trickles in
                    self._expect_more()
                self._head_bytes += len(piece)
                self._head_tail = (self._head_tail + piece[-len(HEAD_END) :].tobytes())[1 - len(HEAD_END) :]
            else:
                self._framing_bytes += len(piece)
            position += self._feed(piece)
            if self._in_head and self._head_bytes > MAX_HEADER_BYTES:
                self._refuse_head("line and headers")
            elif not self._in_head and self._framing_bytes > MAX_HEADER_BYTES:
                self._refuse_head("trailers and chunk extensions")
        self._held = data[position:]
        if self._held and not self.transport.is_closing():
            self.flow.pause_reading()

    def _feed(self, piece: memoryview) -> int:
        """Give the parser a piece; return how much of it was taken."""
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            # Whoever asks for another protocol is answered in this one (RFC 9110, section 7.8).
            return int(upgrade.args[0])
        except httptools.HttpParserError as error:
            self._refuse(400, f"this is no HTTP/1.1: {error or type(error).__name__}")
        return len(piece)

    def _at_work(self) -> bool:
        """Tell whether a request that came whole has no answer yet."""
        return bool(self.pipeline) or (self._in_head and self.cycle is not None and not self.cycle.response_complete)

    def _end_of_piece(self, data: bytes, position: int) -> int:
        """Return where the piece from `position` on ends at the latest."""
        if not self._in_head:
            return position + (CHUNKED_STEP if self._body_left is None else self._body_left)
        seam = (self._head_tail + data[position : position + len(HEAD_END) - 1]).find(HEAD_END)
        if seam >= 0:
            return position + seam + len(HEAD_END) - len(self._head_tail)
        found = data.find(HEAD_END, position)
        return len(data) if found < 0 else found + len(HEAD_END)

    def _expect_more(self) -> None:
        self._deadline = self.loop.time() + self.client_timeout_s
        self._keep_watch()

    def _expect_until(self, deadline: float) -> None:
        self._deadline = min(deadline, self.loop.time() + self.client_timeout_s)

    def _expect_nothing(self) -> None:
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _keep_watch(self) -> None:
        """Have the deadline looked at when it comes; it may be a later one by then."""
        if self._timer is None and self._deadline is not None:
            self._timer = self.loop.call_at(self._deadline, self._look_at_deadline)

    def _look_at_deadline(self) -> None:
        self._timer = None
        if self.flow.read_paused or self._held:  # here it is the server that does not read
            self._expect_more()
        elif self._deadline is not None and self._deadline > self.loop.time():
            self._keep_watch()
        elif self._answering():
            self.transport.close()
        else:
            self._refuse(
                408,
                f"the request did not come within {self.client_timeout_s:g} s (CLIENT_TIMEOUT_S) and, behind its head, at "
                f"{MIN_BODY_BYTES_PER_S} bytes a second",
            )

    def _answering(self) -> bool:
        return self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete

    def _answered(self) -> bool:
        """Tell whether the request whose body is being read has its answer already."""
        return not self._in_head and self.cycle is not None and self.cycle.response_complete

    def _refuse_head(self, parts: str) -> None:
        self._refuse(431, f"the request's {parts} are larger than {MAX_HEADER_BYTES} bytes")

    def _refuse(self, status: int, message: str) -> None:
        """Answer outside of the application, and end the connection."""
        self._expect_nothing()
        if self.transport.is_closing():
            return
        self._set_unread(True)
        if not self._answering() and not self._answered():
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
