"""`python -m server.gateway.worker`: one HTTP process. Started by `server.gateway`, which hands it its descriptors."""

import sys

from server import logs
from server.gateway.app import create_app
from server.hardware import resolve
from server.http.heartbeat import Heartbeat
from server.http.serving import serve
from server.ipc import inherited, lifeline
from server.ipc.arena import Arena
from server.ipc.counters import Counters
from server.model.artifacts import ModelError
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
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
        heartbeat = Heartbeat(counters, own.row, hardware.http_workers)
        app = create_app(settings, hardware, Arena(own.arena), counters, heartbeat)
    except (SettingsError, ModelError, SocketProblem) as error:
        sys.exit(str(error))
    serve(app, own, settings, heartbeat, passed_on=True)


main()
