"""A double of a Triton's HTTP port: a server of the test's own loop that answers as it is told, and says what it was sent."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import numpy as np

HEADER = "inference-header-content-length"


@dataclass
class Request:
    """One that came whole; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


def answer(status: int, body: bytes = b"", *fields: str) -> bytes:
    """Return an answer's bytes."""
    return "\r\n".join([f"HTTP/1.1 {status} -", *fields, f"content-length: {len(body)}", "", ""]).encode() + body


def refusal(status: int, words: str) -> bytes:
    """Return an error's bytes, with the Content-Type that Triton 2.51 gives to some."""
    return answer(status, json.dumps({"error": words}).encode(), "content-type: text/plain")


def embeddings(count: int, identifier: str = "", value: float = 0.5) -> bytes:
    """Return the answer to a request of `count` images, each embedded as `value`."""
    data = np.full((count, 512), value, np.float32).tobytes()
    tensor = {
        "name": "embedding",
        "datatype": "FP32",
        "shape": [count, 512],
        "parameters": {"binary_data_size": len(data)},
    }
    named = {"id": identifier} if identifier else {}
    head = json.dumps({**named, "model_name": "m", "outputs": [tensor]}, separators=(",", ":")).encode()
    return answer(200, head + data, f"{HEADER.title()}: {len(head)}", "Content-Type: application/octet-stream")


@dataclass
class TritonDouble:
    """Answers with what is next in `answers`, or else `usual`.

    Attributes:
        port: where it listens.
        waits: set, it answers; else requests wait.
        closes: after every answer, without having said so, as a server does with an idle connection.
        hasty: answers before it has read the body, which it then never does.
        requests: that have come.
        connections: that were opened.
        left: connections that the other end closed.
    """

    usual: bytes = field(default_factory=lambda: embeddings(1))
    answers: list[bytes] = field(default_factory=list)
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    closes: bool = False
    hasty: bool = False
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    left: int = 0
    port: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def end(self) -> None:
        """End all connections."""
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                request = await _read(reader, self.hasty)
                self.requests.append(request)
                gone = asyncio.ensure_future(reader.read(1))
                going_on = asyncio.ensure_future(self.waits.wait())
                await asyncio.wait({gone, going_on}, return_when=asyncio.FIRST_COMPLETED)
                going_on.cancel()
                if gone.done() and not self.hasty:
                    self.left += 1
                    return
                gone.cancel()
                await asyncio.gather(gone, return_exceptions=True)
                said = self.answers.pop(0) if self.answers else self.usual
                writer.write(said)
                await writer.drain()
                if self.closes or not said:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, hasty: bool) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (one.split(": ", 1) for one in head[1:] if one)}
    length = 0 if hasty else int(headers.get("content-length", 0))
    return Request(head[0], headers, await reader.readexactly(length))


@asynccontextmanager
async def triton_double() -> AsyncIterator[TritonDouble]:
    """Run one, which answers at once."""
    double = TritonDouble()
    double.waits.set()
    server = await asyncio.start_server(double.serve, "127.0.0.1", 0, limit=2**10)
    double.port = server.sockets[0].getsockname()[1]
    try:
        yield double
    finally:
        server.close()
        await double.end()


@contextmanager
def triton_thread() -> Iterator[TritonDouble]:
    """Run one beside a test that has no event loop."""
    found: list[TritonDouble] = []
    begun, ending = threading.Event(), threading.Event()

    async def run() -> None:
        async with triton_double() as double:
            found.append(double)
            begun.set()
            await asyncio.to_thread(ending.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert begun.wait(10)
        yield found[0]
    finally:
        ending.set()
        thread.join()
