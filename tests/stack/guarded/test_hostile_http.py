"""Hostile HTTP/1.1 costs a stranger his connection, and nobody else anything."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import numpy as np
import psutil
import pytest

from tests.chaos.fuzz import fuzz_connections
from tests.chaos.processes import resident
from tests.stack.stack import RunningStack

pytestmark = pytest.mark.usefixtures("first")

MIB = 2**20
STREAMS = 4
LONGEST_S = 30.0
"""That a stream goes on if it is let; 80 MiB of each made 8002 grow by 400 MiB and stand still for 20 s."""

CHUNKED = b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
MEMORY_GROWTH = 100 * MIB
HEALTH_P99_S = 0.25


def connection(stack: RunningStack) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stack.ports["pytorch"]), timeout=20)


def answers(stack: RunningStack, *pieces: bytes) -> list[int]:
    """Return the statuses of everything that comes back until the connection is closed."""
    with connection(stack) as client:
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.01)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(65536):
                received += piece
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def flood(stack: RunningStack, piece: bytes, beginning: bytes) -> float:
    """Send `piece` again and again until the connection is closed; return the seconds until then."""
    began = time.monotonic()
    with connection(stack) as client, contextlib.suppress(OSError):
        client.sendall(beginning)
        while time.monotonic() - began < LONGEST_S:
            client.sendall(piece)
    return time.monotonic() - began


@contextlib.contextmanager
def health(stack: RunningStack) -> Iterator[list[float]]:
    """Ask `/health` all the time, and collect the seconds that it took."""
    took: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not over.wait(0.01):
                start = time.monotonic()
                assert client.get(f"{stack.url()}/health").status_code == 200
                took.append(time.monotonic() - start)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield took
    finally:
        over.set()
        asking.join()


@pytest.mark.parametrize(
    ("beginning", "piece"),
    [
        (CHUNKED + b"0\r\nX: ", b"y" * 65536),
        (CHUNKED + b"0\r\n", b"X: y\r\n" * 10_000),
        (CHUNKED + b"1;e=", b"y" * 65536),
        (CHUNKED, b"1;" + b"y" * 1000 + b"\r\nx\r\n"),
        (b"GET /health HTTP/1.1\r\nX: ", b"y" * 65536),
    ],
    ids=["endless trailer", "endless trailers", "endless extension", "endless extensions", "endless header"],
)
def test_what_has_no_end_is_cut_off_and_delays_nobody(guarded: RunningStack, beginning: bytes, piece: bytes) -> None:
    guarded.wait(200)
    before = {process.pid for process in guarded.processes()}
    level = resident(guarded, "pytorch")
    lasted: list[float] = []
    streams = [threading.Thread(target=lambda: lasted.append(flood(guarded, piece, beginning))) for _ in range(STREAMS)]
    with health(guarded) as took:
        for stream in streams:
            stream.start()
        for stream in streams:
            stream.join()
        time.sleep(1)
    assert len(lasted) == STREAMS
    assert max(lasted) < LONGEST_S / 2
    assert np.percentile(took, 99) < HEALTH_P99_S
    assert resident(guarded, "pytorch") - level < MEMORY_GROWTH
    assert {process.pid for process in guarded.processes() if psutil.pid_exists(process.pid)} == before


def test_a_key_in_a_trailer_opens_nothing(guarded: RunningStack) -> None:
    key = guarded.headers["Authorization"].encode()
    trailer = b"0\r\nAuthorization: " + key + b"\r\n\r\n"
    ready = b"GET /ready HTTP/1.1\r\nHost: x\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    assert answers(guarded, ready + chunked + trailer) == [401]
    following = ready + b"Connection: close\r\n\r\n"
    assert answers(guarded, CHUNKED + trailer + following) == [200, 401]


def test_the_body_behind_an_upgrade_is_no_request(guarded: RunningStack) -> None:
    upgrade = b"POST /embed HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 36\r\n\r\n"
    assert answers(guarded, upgrade, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") == [400]


def test_no_stranger_makes_the_log_grow_or_writes_a_line_of_it(guarded: RunningStack) -> None:
    upgrade = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    last = b"GET /a%0A12:00:00%20INFO%20forged%1B%5B2J HTTP/1.1\r\nHost: x\r\n\r\n"
    level = guarded.log.stat().st_size
    assert answers(guarded, upgrade * 3000 + last) == [200] * 3000 + [401]
    for _ in range(300):
        assert answers(guarded, b"no HTTP\r\n\r\n") == [400]
    assert guarded.log.stat().st_size - level < 10_000
    with guarded.log.open("rb") as log:
        log.seek(level)
        said = log.read()
    assert b"\x1b" not in said
    assert not any(line.startswith(b"12:00:00") for line in said.splitlines())
    metrics = httpx.get(f"{guarded.url()}/metrics", headers=guarded.headers).text
    (line,) = [line for line in metrics.splitlines() if line.startswith('bakeoff_errors_total{reason="unauthorized"}')]
    assert float(line.split()[1]) >= 1


def test_another_page_starts_and_reads_nothing_even_where_a_proxy_adds_the_key(guarded: RunningStack) -> None:
    def ask(method: str, path: str, **headers: str) -> int:
        return httpx.request(method, f"{guarded.url()}{path}", headers={**guarded.headers, **headers}).status_code

    for path in ("/benchmark", "/try", "/embed", "/v2/models/openclip_vit_b32/infer"):
        assert ask("POST", path, Origin="http://evil.example") == 403
        assert ask("POST", path, **{"Sec-Fetch-Site": "cross-site"}) == 403
        assert ask("POST", path, Host="evil.example:8002") == 421
    assert ask("GET", "/live", Host="evil.example") == 421
    assert ask("GET", "/live", Origin="http://evil.example") == 403
    assert ask("GET", "/live", Host="203.0.113.9:41234") == 200
    assert ask("GET", "/live", Origin=guarded.url()) == 200
    assert ask("GET", "/health", Host="evil.example") == 200
    assert not httpx.get(f"{guarded.url()}/live", headers=guarded.headers).json()["benchmark"]["running"]


def test_the_page_of_the_api_asks_for_the_key_and_loads_nothing_from_elsewhere(guarded: RunningStack) -> None:
    assert httpx.get(f"{guarded.url()}/docs").status_code == 401
    answer = httpx.get(f"{guarded.url()}/docs", headers=guarded.headers)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "POST /embed/base64" in answer.text
    assert "<script" not in answer.text
    refused = httpx.get(f"{guarded.url()}/live").headers
    assert (refused["Content-Security-Policy"], refused["Referrer-Policy"]) == (
        "default-src 'none'; frame-ancestors 'none'",
        "no-referrer",
    )


def test_hostile_http_by_the_thousand(guarded: RunningStack) -> None:
    """The short form of what `make fuzz` sends."""
    guarded.wait(200)
    assert fuzz_connections(guarded, 2_000, 11) == []
    assert guarded.ready()[0] == 200
