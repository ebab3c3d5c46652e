"""Clients that are slow, too many, or send too much: each gets an answer and keeps nobody else from being served."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.stack.guarded.conftest import KEYS, MAX_CONNECTIONS
from tests.stack.stack import RunningStack

AUTHORIZED = f"Host: x\r\nAuthorization: Bearer {KEYS[0]}\r\n"


@contextlib.contextmanager
def connection(stack: RunningStack) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", stack.ports["pytorch"]), timeout=20) as client:
        yield client


def answer(client: socket.socket) -> tuple[int, dict[str, object]]:
    """Return status and document of what the server says until it closes; a reset would raise."""
    data = b""
    while part := client.recv(65536):
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "POST /embed HTTP/1.1\r\nHost: x\r\n",
        f"POST /embed HTTP/1.1\r\n{AUTHORIZED}Content-Length: 1000\r\n\r\nthe beginning",
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_a_client_that_stops_in_the_middle_is_answered_and_let_go(guarded: RunningStack, sent: str) -> None:
    with connection(guarded) as client:
        client.sendall(sent.encode())
        status, document = answer(client)
    assert status == 408
    assert "CLIENT_TIMEOUT_S" in str(document["error"])


def test_a_head_that_trickles_in_has_one_deadline(guarded: RunningStack) -> None:
    with connection(guarded) as client:
        client.sendall(b"GET /ready HTTP/1.1\r\n")
        with contextlib.suppress(OSError):
            for index in range(12):
                client.sendall(f"X-{index}: y\r\n".encode())
                time.sleep(0.4)
        assert answer(client)[0] == 408


@pytest.mark.parametrize("size", [40_000, 400_000])
def test_a_large_head_is_refused(guarded: RunningStack, size: int) -> None:
    with connection(guarded) as client:
        client.sendall(b"GET /ready HTTP/1.1\r\nX: " + b"x" * size + b"\r\n\r\n")
        assert answer(client)[0] == 431


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Host: x\r\n", 401),
        (AUTHORIZED, 413),
    ],
    ids=["no key", "too large"],
)
def test_who_is_refused_early_gets_the_answer_whatever_is_still_sent(
    guarded: RunningStack, head: str, status: int
) -> None:
    with connection(guarded) as client:
        client.sendall(f"POST /embed HTTP/1.1\r\n{head}Content-Length: {2**32}\r\n\r\n".encode())
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            for _ in range(16):
                client.sendall(bytes(2**16))
        client.settimeout(20)
        assert answer(client)[0] == status


def test_what_is_no_http_is_refused(guarded: RunningStack) -> None:
    with connection(guarded) as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert answer(client)[0] == 400


def test_connections_beyond_the_limit_are_refused_with_an_answer(guarded: RunningStack) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connection(guarded)) for _ in range(MAX_CONNECTIONS + 20)]
        time.sleep(0.5)
        refused = []
        for client in clients[MAX_CONNECTIONS + 5 :]:
            refused.append(answer(client))
    assert {status for status, _ in refused} == {503}
    assert all("MAX_CONNECTIONS" in str(document["error"]) for _, document in refused)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{guarded.url()}/ready", headers=guarded.headers).status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError("nobody is served any more")
