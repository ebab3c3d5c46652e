"""`python -m server.console`: the console, on its Unix socket."""

import sys

import uvicorn

from server import descriptors, logs
from server.console.app import create_app
from server.hardware import resolve
from server.processes.crash_loop import back_off
from server.settings import SettingsError, load_settings
from server.sockets import CONSOLE, listen, socket_path
from server.stop import stop_plan

KEEP_ALIVE_S = 75
"""Longer than whoever passes requests on keeps a connection that it does not use."""


def main() -> None:
    """Serve until SIGTERM."""
    try:
        settings = load_settings()
        descriptors.raise_limit()
        logs.configure(settings.log_level, settings.log_format)
        back_off(settings, "console")
        app = create_app(settings, resolve(settings).device)
        listener = listen(socket_path(settings.bakeoff_home, CONSOLE))
    except (SettingsError, OSError) as error:
        sys.exit(str(error))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            ws="none",
            server_header=False,
            date_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=stop_plan(settings.stop_timeout).console_answer_s,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
    )
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)


main()
