"""`python -m server.pytorch.worker`: one HTTP process. Started by `server.pytorch`, which hands it its descriptors."""

import socket
import sys

import uvicorn

from server import descriptors, logs
from server.hardware import CPU_BATCH, resolve
from server.http.acceptor import Acceptor
from server.http.connection import Connection
from server.http.draining import Drainable, DrainingServer
from server.http.heartbeat import BEAT_EVERY_S, Heartbeat
from server.ipc import inherited, lifeline
from server.ipc.arena import Arena
from server.ipc.connections import ConnectionTable
from server.ipc.counters import Counters
from server.model.artifacts import ModelError
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.pytorch.app import create_app
from server.pytorch.engine_client import EngineClient
from server.settings import SettingsError, load_settings
from server.sockets import SocketProblem
from server.stop import stop_plan


def main() -> None:
    """Serve until SIGTERM."""
    own = inherited.parse(sys.argv[1:])
    lifeline.watch(own.lifeline)
    assert own.arena is not None
    assert own.listener is not None
    assert own.connections is not None
    assert own.inbox is not None
    try:
        settings = load_settings()
        hardware = resolve(settings)
        logs.configure(settings.log_level, settings.log_format)
        counters = Counters(own.counters, (PIXEL_MODEL, ENCODED_MODEL), settings.max_batch_size)
        engines = EngineClient(
            socket.socket(fileno=own.control),
            Arena(own.arena),
            counters,
            own.row,
            engine_rows=own.engines,
            max_batch=settings.max_batch_size if hardware.device == "cuda" else min(settings.max_batch_size, CPU_BATCH),
            max_queue_images=settings.max_queue_images,
            request_timeout_s=settings.request_timeout_s,
        )
        heartbeat = Heartbeat(counters, own.row, hardware.http_workers)
        app = create_app(settings, hardware, engines, counters.statistics(own.row), heartbeat)
    except (SettingsError, ModelError, SocketProblem) as error:
        sys.exit(str(error))
    acceptor = Acceptor(
        socket.socket(fileno=own.listener),
        ConnectionTable(own.connections),
        own.row,
        most=descriptors.most_connections(settings.max_connections),
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
    )
    server.run()
    if not server.started:
        sys.exit(1)


main()
