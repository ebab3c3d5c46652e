"""`python -m bench.wan RTT_MS UPLINK_MBIT HOST:PORT ...`: the process that is the link.

It prints one line of JSON, `{"ports": [...]}` with a port of 127.0.0.1 for each server or `{"unavailable": reason}`, and
ends when its standard input does: that is closed even when the process that holds the other end is killed.
"""

import asyncio
import json
import selectors
import signal
import socket
import sys
from contextlib import suppress
from functools import partial

from bench.wan.namespaces import FAR, Namespace, NotPermittedError, slow_pair
from bench.wan.relay import Connect, relay

BACKLOG = 1024


async def serve(near: Namespace, far: Namespace, rtt_s: float, upstreams: list[tuple[str, int]]) -> None:
    """Relay to all upstreams until standard input ends."""
    ports = []
    for host, port in upstreams:
        # A socket stays in the namespace in which it was made, so one process can hold both ends and the loopback.
        with far.inside():
            hop = _unfussy(socket.create_server((FAR, 0), backlog=BACKLOG))
        await asyncio.start_server(relay(partial(asyncio.open_connection, host, port), delay_s=rtt_s / 2), sock=hop)
        entrance = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        await asyncio.start_server(relay(_over_the_hop(near, hop.getsockname()[1]), first_wait_s=rtt_s), sock=entrance)
        ports.append(entrance.getsockname()[1])
    print(json.dumps({"ports": ports}), flush=True)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


def _over_the_hop(near: Namespace, port: int) -> Connect:
    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        with near.inside():
            hop = _unfussy(socket.socket())
        hop.setblocking(False)
        await asyncio.get_running_loop().sock_connect(hop, (FAR, port))
        return await asyncio.open_connection(sock=hop)

    return connect


def _unfussy(hop: socket.socket) -> socket.socket:
    with suppress(OSError):  # the machine's own choice may measure the link for itself and stay below its rate (bbr)
        hop.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    return hop


def main() -> None:
    """Make the link and serve it."""
    rtt_ms, uplink_mbit, *servers = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; whoever started this ends it in time
    try:
        near, far = slow_pair(float(uplink_mbit))
    except NotPermittedError as error:
        print(json.dumps({"unavailable": str(error)}), flush=True)
        return
    upstreams = [(server.rpartition(":")[0].strip("[]"), int(server.rpartition(":")[2])) for server in servers]

    def precise_loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(selectors.SelectSelector())  # epoll would round each delay up to milliseconds

    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(serve(near, far, float(rtt_ms) / 1e3, upstreams))


if __name__ == "__main__":
    main()
