"""`python -m server.gateway`: port 8002 where no PyTorch server is. Starts the HTTP workers, and others where some have died."""

import asyncio
import sys

from server import descriptors, logs
from server.hardware import resolve
from server.http.family import Family
from server.processes.crash_loop import back_off
from server.settings import SettingsError, load_settings

PROGRAM = "gateway"


def main() -> None:
    """Run until SIGTERM; the exit status is 1 when a process ended and could not be replaced."""
    try:
        settings = load_settings()
        descriptors.raise_limit()
        logs.configure(settings.log_level, settings.log_format)
        if not settings.tritons:
            sys.exit("BACKENDS has no Triton, so there is none to pass requests to; add onnx or tensorrt")
        back_off(settings, PROGRAM)
        family = Family(settings, resolve(settings), PROGRAM, worker="server.gateway.worker")
    except (SettingsError, OSError) as error:
        sys.exit(str(error))
    sys.exit(asyncio.run(family.run()))


main()
