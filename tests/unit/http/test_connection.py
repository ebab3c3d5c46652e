"""Limits on what a client may do to a connection, and what it is told while the server stops; over real sockets."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from server.http.acceptor import Acceptor
from server.http.connection import CHUNKED_STEP, MAX_HEADER_BYTES, Connection
from server.http.draining import NOTICE_S, Drainable, DrainingServer
from server.ipc.connections import ConnectionTable

SLOW_S = 0.4


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the whole body, unless the path says not to, take a while if asked to, and say how long the body was, or name
    the headers."""
    if scope["type"] != "http":
        return
    length, more = 0, scope["path"] != "/at-once"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    if scope["path"].startswith("/slow"):
        await asyncio.sleep(float(scope["query_string"] or SLOW_S))
    body = b" ".join(name for name, _ in scope["headers"]) if scope["path"] == "/headers" else str(length).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


class Running:
    """A server on a port of its own."""

    def __init__(self, server: DrainingServer, port: int, task: "asyncio.Task[None]") -> None:
        self.server, self.port, self.task = server, port, task

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def stop(self) -> None:
        self.server.should_exit = True
        await self.task


@pytest.fixture
def most() -> int:
    """Return how many connections may be open."""
    return 10


@pytest.fixture
async def running(monkeypatch: pytest.MonkeyPatch, most: int) -> AsyncIterator[Running]:
    monkeypatch.setattr(Connection, "client_timeout_s", 0.5)
    monkeypatch.setattr(Connection, "draining", False)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    inbox, outbox = socket.socketpair(type=socket.SOCK_SEQPACKET)
    acceptor = Acceptor(listener, ConnectionTable.create(1), 0, most=most, inbox=inbox, outboxes=[outbox], silent=list)
    config = uvicorn.Config(
        Drainable(app), http=Connection, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = DrainingServer(config, acceptor)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    task = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    one = Running(server, port, task)
    yield one
    await one.stop()
    outbox.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    first, *lines = head.decode().strip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


def post(path: str, body: bytes, length: int | None = None) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length or len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("sent", [b"", b"GET / HT", post("/", b"half", 100)], ids=["nothing", "head", "body"])
async def test_a_client_that_stops_is_answered_408_and_let_go(running: Running, sent: bytes) -> None:
    reader, writer = await running.connect()
    writer.write(sent)
    status, headers, body = await answer(reader)
    assert status == 408
    assert headers["connection"] == "close"
    assert "CLIENT_TIMEOUT_S" in json.loads(body)["error"]
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_head_that_trickles_in_does_not_hold_a_connection(running: Running) -> None:
    reader, writer = await running.connect()

    async def trickle() -> None:
        writer.write(b"GET / HTTP/1.1\r\n")
        while True:
            await asyncio.sleep(0.1)
            writer.write(b"X: y\r\n")

    trickling = asyncio.ensure_future(trickle())
    assert (await answer(reader))[0] == 408
    trickling.cancel()
    writer.close()


async def test_a_body_that_keeps_coming_may_take_longer_than_the_timeout(running: Running) -> None:
    reader, writer = await running.connect()
    writer.write(post("/", b"", 5000))
    for _ in range(5):
        await asyncio.sleep(0.2)
        writer.write(b"x" * 1000)
    assert (await answer(reader))[2] == b"5000"
    writer.close()


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "again"),
    [
        (post("/", b"", 5000), b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"1", b";e"),
        (CHUNKED + b"0\r\n", b"X: y\r\n"),
        (CHUNKED + b"0\r\nX: ", b"y"),
    ],
    ids=["body", "chunks", "extension", "trailers", "trailer"],
)
async def test_what_trickles_in_behind_the_head_does_not_hold_a_connection(
    running: Running, sent: bytes, again: bytes
) -> None:
    reader, writer = await running.connect()

    async def trickle() -> None:
        writer.write(sent)
        while True:
            await asyncio.sleep(0.1)
            writer.write(again)

    trickling = asyncio.ensure_future(trickle())
    assert (await answer(reader))[0] == 408
    trickling.cancel()
    writer.close()


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    "sent",
    [
        b"0\r\nX: " + b"y" * MAX_HEADER_BYTES,
        b"0\r\n" + b"X: y\r\n" * (MAX_HEADER_BYTES // 5),
        b"5;" + b"e" * MAX_HEADER_BYTES + b"\r\nhello\r\n",
        b"5;" + b"e" * 5000 + b"\r\nhello\r\n",
        b"0" * (MAX_HEADER_BYTES + 2) + b"5\r\nhello\r\n",
    ],
    ids=["one trailer", "trailers", "one extension", "extensions", "padding"],
)
async def test_trailers_and_chunk_extensions_have_a_limit_together(
    running: Running, sent: bytes, at_once: bool
) -> None:
    reader, writer = await running.connect()
    sent *= 8
    pieces = [CHUNKED + sent] if at_once else [CHUNKED, *(sent[at : at + 3000] for at in range(0, len(sent), 3000))]
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.005)
    status, headers, body = await answer(reader)
    assert status == 431
    assert headers["connection"] == "close"
    assert "trailers" in json.loads(body)["error"]
    writer.close()


async def test_trailers_behind_an_answer_end_the_connection_without_a_second_one(running: Running) -> None:
    reader, writer = await running.connect()
    writer.write(CHUNKED.replace(b"POST / ", b"POST /at-once "))
    assert (await answer(reader))[0] == 200
    writer.write(b"0\r\nX: " + b"y" * 2 * MAX_HEADER_BYTES)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_small_chunks_are_no_extensions(running: Running) -> None:
    reader, writer = await running.connect()
    writer.write(CHUNKED + b"1\r\nx\r\n" * MAX_HEADER_BYTES + b"0\r\n\r\n")
    assert (await answer(reader))[2] == str(MAX_HEADER_BYTES).encode()
    writer.close()


async def test_a_trailer_is_neither_a_header_of_its_request_nor_of_the_next(running: Running) -> None:
    reader, writer = await running.connect()
    writer.write(CHUNKED.replace(b"POST / ", b"POST /headers "))
    await asyncio.sleep(0.05)
    writer.write(b"1;e=f\r\nx\r\n0\r\nAuthorization: Bearer key\r\nCookie: c\r\n\r\n" + post("/headers", b""))
    for _ in range(2):
        body = (await answer(reader))[2]
        assert b"host" in body
        assert not {b"authorization", b"cookie"} & set(body.split())
    writer.close()


@pytest.mark.parametrize("pieces", [1, 2, 3, 7])
async def test_a_request_that_asks_for_another_protocol_is_answered_in_this_one(running: Running, pieces: int) -> None:
    upgrade = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    reader, writer = await running.connect()
    for at in range(0, len(upgrade + upgrade), 140 // pieces):
        writer.write((upgrade + upgrade)[at : at + 140 // pieces])
        await asyncio.sleep(0.01)
    assert [(await answer(reader))[2] for _ in range(2)] == [b"0", b"0"]
    writer.close()


@pytest.mark.parametrize("framing", [b"Content-Length: 45", b"Transfer-Encoding: chunked"])
async def test_the_body_behind_an_upgrade_is_not_taken_for_a_request(running: Running, framing: bytes) -> None:
    reader, writer = await running.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + framing + b"\r\n\r\n")
    await asyncio.sleep(0.05)
    writer.write(b"GET /at-once HTTP/1.1\r\nHost: smuggled\r\n\r\n")
    status, headers, _ = await answer(reader)
    assert (status, headers["connection"]) == (400, "close")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


@pytest.mark.parametrize("first", [post("/slow?0.3", b"a"), CHUNKED + b"0\r\n\r\n"], ids=["length", "chunked"])
async def test_of_many_requests_sent_at_once_few_are_in_memory_and_all_are_answered(
    running: Running, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    waiting = 0

    class Noted(Connection):
        def on_headers_complete(self) -> None:
            nonlocal waiting
            super().on_headers_complete()
            waiting = max(waiting, len(self.pipeline))

    monkeypatch.setattr("server.http.draining.Connection", Noted)
    reader, writer = await running.connect()
    writer.write(first + b"GET /at-once HTTP/1.1\r\nHost: x\r\n\r\n" * 2000)
    statuses = [(await answer(reader))[0] for _ in range(2001)]
    assert set(statuses) == {200}
    assert waiting < CHUNKED_STEP / 30
    writer.close()


async def test_a_request_in_work_and_an_idle_connection_are_not_given_up(running: Running) -> None:
    reader, writer = await running.connect()
    writer.write(post("/slow?1", b"abc"))
    assert (await answer(reader))[2] == b"3"
    await asyncio.sleep(0.8)
    writer.write(post("/", b"abcd"))
    assert (await answer(reader))[2] == b"4"
    writer.close()


@pytest.mark.parametrize("size", [MAX_HEADER_BYTES - 200, MAX_HEADER_BYTES + 1, 10 * MAX_HEADER_BYTES])
async def test_the_head_has_a_limit(running: Running, size: int) -> None:
    reader, writer = await running.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * size + b"\r\n\r\n")
    assert (await answer(reader))[0] == (200 if size < MAX_HEADER_BYTES else 431)
    writer.close()


async def test_what_is_no_http_is_answered_400_as_all_errors_are(running: Running) -> None:
    reader, writer = await running.connect()
    writer.write(b"\x16\x03\x01\r\n\r\n")
    status, _, body = await answer(reader)
    assert status == 400
    assert json.loads(body)["error"]
    writer.close()


async def test_connections_beyond_the_limit_are_answered_503(running: Running) -> None:
    taken = [await running.connect() for _ in range(10)]
    reader, writer = await running.connect()
    status, headers, body = await answer(reader)
    assert status == 503
    assert headers["retry-after"]
    assert "MAX_CONNECTIONS" in json.loads(body)["error"]
    writer.close()
    for _, one in taken:
        one.close()
    await asyncio.sleep(0.2)
    reader, writer = await running.connect()
    writer.write(post("/", b"abc"))
    assert (await answer(reader))[2] == b"3"
    writer.close()


async def test_two_requests_sent_at_once_are_both_answered(running: Running) -> None:
    reader, writer = await running.connect()
    writer.write(post("/slow", b"ab") + post("/", b"abc"))
    assert [(await answer(reader))[2], (await answer(reader))[2]] == [b"2", b"3"]
    writer.close()


async def test_stopping_answers_what_was_accepted_and_refuses_the_rest_in_words(running: Running) -> None:
    busy_reader, busy = await running.connect()
    idle_reader, idle = await running.connect()
    idle.write(post("/", b"a"))
    assert (await answer(idle_reader))[0] == 200
    busy.write(post("/slow", b"abc"))
    await asyncio.sleep(0.1)
    stopping = asyncio.ensure_future(running.stop())
    await asyncio.sleep(0.2)
    idle.write(post("/", b"a"))
    new_reader, new = await running.connect()
    new.write(post("/", b"a"))
    for reader in (idle_reader, new_reader):
        status, headers, body = await answer(reader)
        assert status == 503
        assert headers["retry-after"]
        assert headers["connection"] == "close"
        assert "stopping" in json.loads(body)["error"]
    assert (await answer(busy_reader))[2] == b"3"
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await running.connect()
    for writer in (busy, idle, new):
        writer.close()


@pytest.mark.parametrize("most", [100])
async def test_whoever_connects_while_the_port_is_closed_is_answered_or_refused(running: Running) -> None:
    """Each client connects, and sends its request a moment later; none may find its connection closed without an answer."""
    statuses: list[int] = []

    async def visit(after_s: float) -> None:
        await asyncio.sleep(after_s)
        with contextlib.suppress(ConnectionRefusedError):
            reader, writer = await running.connect()
            await asyncio.sleep(0.05)
            writer.write(post("/", b"a"))
            statuses.append((await answer(reader))[0])
            writer.close()

    visits = [asyncio.ensure_future(visit(NOTICE_S - 0.2 + index / 200)) for index in range(80)]
    await running.stop()
    await asyncio.gather(*visits)
    assert len(statuses) > 20
    assert set(statuses) == {503}


async def test_what_cannot_be_finished_in_time_is_answered_503(running: Running) -> None:
    reader, writer = await running.connect()
    writer.write(post("/slow?30", b"abc"))
    await asyncio.sleep(0.1)
    await running.stop()
    status, headers, _ = await answer(reader)
    assert status == 503
    assert headers["retry-after"]
    writer.close()


async def test_what_a_refused_client_goes_on_sending_is_not_kept(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Connection] = []
    monkeypatch.setattr("server.http.draining.Connection", lambda **words: made.append(Connection(**words)) or made[-1])
    reader, writer = await running.connect()
    writer.write(CHUNKED + b"0\r\nX: " + b"y" * 2 * MAX_HEADER_BYTES)
    assert (await answer(reader))[0] == 431
    for _ in range(20):
        writer.write(b"y" * 100_000)
        await asyncio.sleep(0.01)
    assert len(made) == 1
    assert len(made[0]._held) <= 2 * MAX_HEADER_BYTES
    writer.close()
