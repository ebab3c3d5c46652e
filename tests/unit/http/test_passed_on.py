"""Requests for the console as it gets them, and its answers as clients do, over a real Unix socket."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from server.console_paths import BEHIND_KEY, OPEN
from server.http import passed_on
from server.http.front_status import HEADER, FrontStatus
from server.http.passed_on import over_socket
from server.sockets import listen
from tests.doubles.front import front

STATUS = FrontStatus("PyTorch: the engine is loading", lost=True)
KEY = "a-key"

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Behind:
    """An ASGI application in the console's place: it tells what it was asked, and answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[SimpleNamespace] = []
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces = [b"answer"]
        self.gone = asyncio.Event()
        self.silent = False
        self.breaks_off = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = []
        while (message := await receive())["type"] == "http.request":
            body.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"]
        self.asked.append(
            SimpleNamespace(
                method=scope["method"], path=scope["raw_path"].decode(), query=query, headers=headers, body=body
            )
        )
        if self.silent:
            while (await receive())["type"] != "http.disconnect":
                continue
            self.gone.set()
            return
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self.breaks_off:
            raise RuntimeError("in the middle")
        await send({"type": "http.response.body"})


@asynccontextmanager
async def served(app: Application | FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, access_log=False, date_header=False, lifespan="off")  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server._serve([listener]))
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        await serving


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
async def behind(path: Path) -> AsyncIterator[Behind]:
    app = Behind()
    async with served(app, listen(path)):
        yield app


@pytest.fixture
async def client(path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of the front."""
    app = front(over_socket(path), status=STATUS, key=KEY)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with (
        served(app, listener),
        httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as made,
    ):
        yield made
    await app.state.console.close()


async def test_what_needs_no_key_is_passed_on_without_one_and_nothing_else(
    behind: Behind, client: httpx.AsyncClient
) -> None:
    del client.headers["Authorization"]
    for one in OPEN:
        assert (await client.get(one)).status_code == 200
    assert [asked.path for asked in behind.asked] == list(OPEN)
    for one in (*BEHIND_KEY, "/page/nothing.js", "/page/", "/guide/", "/page/..%2Fready", "/guide/%2e%2e/ready"):
        assert (await client.get(one)).status_code == 401
    assert len(behind.asked) == len(OPEN)


async def test_only_the_consoles_paths_are_passed_on(behind: Behind, client: httpx.AsyncClient) -> None:
    for one in ("/page/nothing.js", "/metrics/container", "/guide/nothing.md", "/READY"):
        answer = await client.get(one)
        assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})
    assert (await client.get("/health")).json() == {"status": "alive"}
    assert (await client.get("/ready/")).headers["Location"] == "../ready"
    assert behind.asked == []


async def test_method_query_and_headers_arrive_and_what_opens_the_port_does_not(
    behind: Behind, client: httpx.AsyncClient
) -> None:
    sent = {
        "If-None-Match": '"tag"', "Content-Type": "image/jpeg", "X-Request-Id": "mine", "Cookie": "a=b", "X-Other": "x",
        HEADER: FrontStatus("a lie").as_header(), "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }  # fmt: skip
    await client.put("/live?since=1.5&a=%20b", headers=sent, content=b"body")
    (asked,) = behind.asked
    assert (asked.method, asked.path, asked.query, b"".join(asked.body)) == (
        "PUT",
        "/live",
        b"since=1.5&a=%20b",
        b"body",
    )
    assert asked.headers["if-none-match"] == '"tag"'
    assert asked.headers["content-type"] == "image/jpeg"
    assert asked.headers["x-request-id"] == "mine"
    assert asked.headers["traceparent"] == sent["traceparent"]
    assert FrontStatus(**json.loads(asked.headers[HEADER])) == STATUS
    assert not asked.headers.keys() & {"authorization", "cookie", "x-other"}


async def test_the_answer_comes_back_as_it_is(behind: Behind, client: httpx.AsyncClient) -> None:
    behind.status, behind.pieces = 418, [b"\x1f\x8b a", b"b"]
    behind.headers = [(b"etag", b'"t"'), (b"content-encoding", b"gzip"), (b"x-two", b"1"), (b"x-two", b"2")]
    async with client.stream("GET", "/report") as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert (answer.status_code, raw) == (418, b"\x1f\x8b ab")
    assert answer.headers["ETag"] == '"t"'
    assert answer.headers.get_list("x-two") == ["1", "2"]
    assert len(answer.headers.get_list("X-Request-Id")) == 1


async def test_head_has_the_headers_and_no_body(behind: Behind, client: httpx.AsyncClient) -> None:
    behind.headers = [(b"content-length", b"6")]
    answer = await client.head("/ready")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "6")
    assert behind.asked[0].method == "GET"


async def test_a_body_is_not_collected_first(behind: Behind, client: httpx.AsyncClient) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 100_000
            await asyncio.sleep(0.01)

    await client.post("/try", content=slowly())
    (asked,) = behind.asked
    assert len(asked.body) > 2
    assert len(b"".join(asked.body)) == 300_000


@pytest.mark.parametrize(
    "query", [b"since=\xff", b'since="<>', b"a" * 30_000, b"since=1?&#%zz"], ids=["byte", "quotes", "long", "signs"]
)
async def test_no_query_is_too_odd_to_be_passed_on(behind: Behind, client: httpx.AsyncClient, query: bytes) -> None:
    url = client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"Host: x\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n"
    writer.write(b"GET /live?" + query + b" HTTP/1.1\r\n" + head.encode())
    assert (await reader.readline()).startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))
    writer.close()


async def test_a_client_that_leaves_ends_the_request(behind: Behind, client: httpx.AsyncClient) -> None:
    behind.silent = True
    for method, one in (("GET", "/live"), ("POST", "/try")):
        behind.gone.clear()
        with contextlib.suppress(httpx.ReadTimeout):
            await client.request(method, one, content=b"photo" if method == "POST" else None, timeout=0.2)
        async with asyncio.timeout(5):
            await behind.gone.wait()


MISSING = "the console, which answers {}, does not answer; supervisord starts it again, and its log says why"


async def test_without_the_console_it_is_said_in_words(client: httpx.AsyncClient) -> None:
    for method, one in (("GET", "/"), ("GET", "/live"), ("POST", "/try"), ("POST", "/benchmark")):
        answer = await client.request(method, one, content=b"body" if method == "POST" else None)
        assert (answer.status_code, answer.json()) == (503, {"error": MISSING.format(one)})
        assert answer.headers["Retry-After"]
    answer = await client.get("/ready")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json() == {
        "ready": False,
        "since": None,
        "model": {},
        "backends": {},
        "note": MISSING.format("/ready"),
    }
    assert 'bakeoff_errors_total{reason="console"} 5.0' in (await client.get("/metrics")).text


async def test_a_console_that_hangs_is_not_waited_for_for_ever(
    behind: Behind, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind.silent = True
    monkeypatch.setattr(passed_on, "ANSWER_S", 0.1)
    assert (await client.get("/ready")).status_code == 503
    assert (await client.get("/metrics")).status_code == 200
    assert "/embed" in (await client.get("/openapi.json")).json()["paths"]


async def test_one_that_comes_back_is_found(path: Path, client: httpx.AsyncClient) -> None:
    for _ in range(2):
        async with served(Behind(), listen(path)):
            assert (await client.get("/ready")).text == "answer"
        assert (await client.get("/ready")).status_code == 503


async def test_an_answer_that_is_broken_off_is_not_whole_for_the_client_either(
    behind: Behind, client: httpx.AsyncClient
) -> None:
    behind.breaks_off = True
    with pytest.raises(httpx.RemoteProtocolError):
        await client.get("/report")


async def test_metrics_and_document_are_those_of_both(behind: Behind, client: httpx.AsyncClient) -> None:
    behind.pieces = [b"bakeoff_ready 1.0\n"]
    text = (await client.get("/metrics")).text
    assert "bakeoff_ready 1.0" in text
    assert "bakeoff_batch_size_count" in text
    described: dict[str, Any] = {
        "paths": {"/ready": {"get": {"summary": "Ready"}}},
        "components": {"schemas": {"A": {}}},
    }
    behind.pieces = [json.dumps(described).encode()]
    document = (await client.get("/openapi.json")).json()
    assert {"/ready", "/embed", "/metrics"} <= document["paths"].keys()
    assert "A" in document["components"]["schemas"]
    assert "GET /ready" in (await client.get("/docs")).text
    assert [asked.path for asked in behind.asked] == ["/metrics/container", "/openapi.json", "/openapi.json"]
