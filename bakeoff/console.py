"""What every verb needs: the settings, or a clear end."""

import sys
from typing import NoReturn

from rich.console import Console

from server import logs
from server.settings import Settings, SettingsError, load_settings

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def read_settings() -> Settings:
    """Return the settings, or say what is wrong with them and exit."""
    try:
        settings = load_settings()
    except SettingsError as error:
        stop(f"bakeoff: failed: invalid settings\n{error}")
    logs.configure(settings.log_level, settings.log_format)
    return settings


def stop(message: str) -> NoReturn:
    """Print `message` and exit with status 1."""
    errors.print(message, soft_wrap=True, markup=False)
    sys.exit(1)
