"""An HTTP worker's whole run, once it has an application."""

import socket
import sys
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.types import ASGIApp

from server import descriptors
from server.http.acceptor import Acceptor
from server.http.connection import Connection
from server.http.draining import Drainable, DrainingServer
from server.http.heartbeat import BEAT_EVERY_S, Heartbeat
from server.ipc.connections import ConnectionTable
from server.ipc.inherited import Inherited
from server.settings import Settings
from server.stop import stop_plan


def serve(
    app: ASGIApp,
    own: Inherited,
    settings: Settings,
    heartbeat: Heartbeat,
    *,
    passed_on: bool = False,
    until: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve until SIGTERM.

    Args:
        app: the application.
        own: what the worker has inherited.
        settings: of the stack.
        heartbeat: this worker's.
        passed_on: whether each request may need a connection to another program.
        until: ends when requests can be answered; waited for only where another program accepts the port's connections.
    """
    assert own.listener is not None
    assert own.connections is not None
    assert own.inbox is not None
    acceptor = Acceptor(
        socket.socket(fileno=own.listener),
        ConnectionTable(own.connections),
        own.row,
        most=descriptors.most_connections(settings.max_connections, passed_on=passed_on),
        inbox=socket.socket(fileno=own.inbox),
        outboxes=[socket.socket(fileno=out) for out in own.outboxes],
        silent=lambda: heartbeat.silent(4 * BEAT_EVERY_S),
    )
    Connection.client_timeout_s = settings.client_timeout_s
    server = DrainingServer(
        uvicorn.Config(
            Drainable(app),
            http=Connection,
            ws="none",
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=stop_plan(settings.stop_timeout).answer_s,
            timeout_keep_alive=75,
        ),
        acceptor,
        until if own.waits else None,
    )
    server.run()
    if not server.started:
        sys.exit(1)
