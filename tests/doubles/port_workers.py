"""A double of the workers of port 8002: the real acceptor, connections and beats, and an application that says who answers.

It opens a file for each answer, as the real one does.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path

import uvicorn
from starlette.types import Receive, Scope, Send

from server import descriptors, logs
from server.http.acceptor import Acceptor
from server.http.connection import Connection
from server.http.draining import Drainable, DrainingServer
from server.http.heartbeat import BEAT_EVERY_S, Heartbeat
from server.ipc.connections import ConnectionTable
from server.ipc.counters import Counters

Inboxes = list[tuple[socket.socket, socket.socket]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the id of this process."""
    body = Path("/proc/self/stat").read_bytes().split()[0]
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(
    row: int, listener: socket.socket, table: ConnectionTable, counters: Counters, inboxes: Inboxes, most: int
) -> None:
    """Be one worker until SIGTERM."""
    heartbeat = Heartbeat(counters, row, len(inboxes))
    acceptor = Acceptor(
        listener, table, row, most=descriptors.most_connections(most), inbox=inboxes[row][0],
        outboxes=[out for _, out in inboxes], silent=lambda: heartbeat.silent(4 * BEAT_EVERY_S),
    )  # fmt: skip
    config = uvicorn.Config(
        Drainable(app), http=Connection, ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )  # fmt: skip

    async def run() -> None:
        heartbeat.start()
        await DrainingServer(config, acceptor).serve()

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())


def main() -> None:
    """Start the workers, print the URL and their process ids as JSON, and wait for SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--most", type=int, default=4096)
    words = parser.parse_args()
    logs.configure("info")
    descriptors.raise_limit()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    table = ConnectionTable.create(words.workers)
    counters = Counters.create(words.workers, ("model",), 1)
    inboxes = [socket.socketpair(type=socket.SOCK_SEQPACKET) for _ in range(words.workers)]
    pids = []
    for row in range(words.workers):
        pids.append(os.fork())
        if not pids[-1]:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            for other, (inbox, _) in enumerate(inboxes):
                if other != row:
                    inbox.close()
            serve(row, listener, table, counters, inboxes, words.most)
            os._exit(0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    for pair in inboxes:
        for end in pair:
            end.close()
    while len(table.takers()) < words.workers:
        time.sleep(0.01)
    print(json.dumps({"url": url, "pids": pids}), flush=True)
    signal.sigwait({signal.SIGTERM})
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGTERM)
    for pid in pids:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()
