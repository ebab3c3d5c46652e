"""`python -m server.pytorch`: serve port 8002 until SIGTERM."""

import sys

import uvicorn

from server import logs
from server.hardware import resolve
from server.model.artifacts import ModelError
from server.pytorch.app import create_app
from server.settings import SettingsError, load_settings

DRAIN_SHARE = 0.7
"""Part of STOP_TIMEOUT in which requests in flight may finish; the rest is for the threads and the process to end."""


def main() -> None:
    """Start the server; the exit status is 1 when the model could not be loaded."""
    try:
        settings = load_settings()
        hardware = resolve(settings)
        logs.configure(settings.log_level)
        app = create_app(settings, hardware)
    except (SettingsError, ModelError) as error:
        sys.exit(str(error))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.pytorch_http_port,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=max(1, int(settings.stop_timeout * DRAIN_SHARE)),
            timeout_keep_alive=75,
        )
    )
    server.run()
    if app.state.context.lifecycle.error or not server.started:
        sys.exit(1)


main()
