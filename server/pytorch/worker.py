"""`python -m server.pytorch.worker`: one HTTP process. Started by `server.pytorch`, which hands it its descriptors."""

import socket
import sys

from server import logs
from server.hardware import CPU_BATCH, resolve
from server.http.heartbeat import Heartbeat
from server.http.serving import serve
from server.ipc import inherited, lifeline
from server.ipc.arena import Arena
from server.ipc.counters import Counters
from server.model.artifacts import ModelError
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.pytorch.app import create_app
from server.pytorch.engine_client import EngineClient
from server.settings import SettingsError, load_settings
from server.sockets import SocketProblem


def main() -> None:
    """Serve until SIGTERM."""
    own = inherited.parse(sys.argv[1:])
    lifeline.watch(own.lifeline)
    assert own.arena is not None
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
    serve(app, own, settings, heartbeat, until=engines.some_loaded)


main()
