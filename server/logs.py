"""One line per event, the same form in every program; `server/processes/prefixed.sh` adds the program's name."""

import logging
import time
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]

FORMAT = "%(asctime)s %(levelname)s %(message)s"
TIME = "%H:%M:%S"


def configure(level: str, form: LogFormat = "text") -> None:
    """Send our lines to stderr at `level`, uvicorn's from warnings on, and of the libraries underneath only errors."""
    logging.basicConfig(level=logging.ERROR, format=FORMAT, datefmt=TIME, force=True)
    if form == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(_json())
    logging.getLogger("bakeoff").setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLogger("bakeoff").level))


def _json() -> logging.Formatter:
    """One JSON object a line: `time` in UTC, `level`, `logger`, `message`, and what the event is about."""
    formatter = JsonFormatter(
        "{asctime}{levelname}{name}{message}",
        style="{",
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        datefmt="%Y-%m-%dT%H:%M:%SZ",
    )
    formatter.converter = time.gmtime
    return formatter
