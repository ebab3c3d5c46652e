"""`python -m server.pytorch`: port 8002. Starts the engines and the HTTP workers, and others where some have died."""

import asyncio
import sys

from server import descriptors, logs
from server.hardware import resolve
from server.http.family import Family
from server.model.artifacts import ModelError
from server.model.ensure import repair_model
from server.processes.crash_loop import back_off
from server.settings import SettingsError, load_settings

PROGRAM = "pytorch"


def main() -> None:
    """Run until SIGTERM; the exit status is 1 when a process ended and could not be replaced."""
    try:
        settings = load_settings()
        descriptors.raise_limit()
        logs.configure(settings.log_level, settings.log_format)
        back_off(settings, PROGRAM)
        hardware = resolve(settings)
        repair_model(settings, lambda model: [model.weights])
        family = Family(settings, hardware, PROGRAM, worker="server.pytorch.worker", engine="server.pytorch.engine")
    except (SettingsError, ModelError, OSError) as error:
        sys.exit(str(error))
    sys.exit(asyncio.run(family.run()))


main()
