"""Faults that come through the ports."""

import contextlib
import socket
import time
from collections.abc import Callable

import httpx

from tests.stack.stack import RunningStack

HALF_A_HEAD = b"POST /embed HTTP/1.1\r\nHost: x\r\n"
HALF_A_BODY = HALF_A_HEAD + b"Content-Length: 1000000\r\n\r\nthe beginning"
DEPTH = 200_000
BIND_TIMEOUT_S = 2.0


def connections(port: str, count: int, sent: bytes) -> Callable[[RunningStack], Callable[[], None]]:
    """Return a fault: many connections that say only the beginning of something, and stay."""

    def inject(stack: RunningStack) -> Callable[[], None]:
        held, reached = contextlib.ExitStack(), 0
        for _ in range(count):
            with contextlib.suppress(OSError):
                client = held.enter_context(socket.create_connection(("127.0.0.1", stack.ports[port]), timeout=5))
                client.sendall(sent)
                reached += 1
        assert reached, f"none of {count} connections reached {port}"
        return held.close

    return inject


def nested(stack: RunningStack) -> None:
    """Send JSON so deep that Triton 2.51, whose parser calls itself for each level, overflows its stack."""
    url = f"{stack.url('onnx')}/v2/models/openclip_vit_b32/infer"
    with contextlib.suppress(httpx.HTTPError):
        httpx.post(url, content=b"[" * DEPTH, headers=stack.headers, timeout=10)


def take_port(then: Callable[[RunningStack], None]) -> Callable[[RunningStack], Callable[[], None]]:
    """Return a fault: Triton is killed, and somebody else has its port before it is back."""

    def inject(stack: RunningStack) -> Callable[[], None]:
        then(stack)
        thief = socket.socket()
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + BIND_TIMEOUT_S
        while True:  # until the kernel has buried the one that was killed
            try:
                thief.bind(("127.0.0.1", stack.ports["onnx"]))
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
        thief.listen(1)
        return thief.close

    return inject
