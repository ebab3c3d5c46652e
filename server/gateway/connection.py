"""One connection to a Triton: HTTP/1.1, one question after the other.

A client of its own, over the parser that uvicorn serves with, because it stands in the way of every request: aiohttp was
measured to take 70 to 100 us for one where this takes 10 to 20 (docs/performance.md).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import httptools

Part = bytes | memoryview


@dataclass(frozen=True)
class Answer:
    """What a Triton has answered; headers by their names in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class ConnectionLost(ConnectionError):
    """The connection ended before the answer was complete.

    Attributes:
        begun: whether a part of it had come.
    """

    def __init__(self, begun: bool) -> None:
        super().__init__(
            "the connection ended within the answer" if begun else "the connection ended without an answer"
        )
        self.begun = begun


class TritonConnection(asyncio.Protocol):
    """A protocol of asyncio, also called back by the parser."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._begun = False
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []

    @property
    def usable(self) -> bool:
        """Whether another question may be asked."""
        return not self._transport.is_closing()

    async def ask(self, parts: Sequence[Part]) -> Answer:
        """Send a request, given in parts, and return the answer.

        The parts are not touched any more once this ends, however it does.

        Raises:
            ConnectionLost: there is none.
        """
        self._answer = asyncio.get_running_loop().create_future()
        self._begun, self._headers, self._pieces = False, {}, []
        try:
            self._transport.writelines(parts)
            return await self._answer
        except BaseException:
            self.close()
            raise
        finally:
            self._answer = None

    def close(self) -> None:
        """End the connection, and whatever is still to be sent."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._answer is None or self._answer.done():  # nobody has asked
            self.close()
            return
        self._begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionLost(self._begun))

    def on_message_begin(self) -> None:
        """End the connection at an answer behind the one that was asked for."""
        if self._answer is None or self._answer.done():
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Give the answer to whoever waits for it."""
        if self._answer is None or self._answer.done():
            return
        if not self._parser.should_keep_alive() or self._transport.get_write_buffer_size():
            self.close()  # of a request that was answered before it was sent whole, the rest would be read as another one
        self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, b"".join(self._pieces)))
