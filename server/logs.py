"""One line per event, the same form in every program; `server/processes/prefixed.sh` adds the program's name.

What a client sends may stand in a line, so it can neither end one nor tell a terminal anything, and cannot make the log grow
without end.
"""

import logging
import re
import threading
import time
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]

FORMAT = "%(asctime)s %(levelname)s %(message)s"
TIME = "%H:%M:%S"

MISLEADING = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters but the tab, the other ends of lines, and what turns the direction of writing."""

ALIKE = 20
"""Lines of one kind, that is from one place in the code, within `ALIKE_WITHIN_S`."""

ALIKE_WITHIN_S = 60.0


def one_line(text: str) -> str:
    r"""Return `text` with what would end a line or mislead a reader as `\n`, `\x1b` or `\u202e`."""
    return MISLEADING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def configure(level: str, form: LogFormat = "text") -> None:
    """Send our lines to stderr at `level`, uvicorn's from warnings on, and of the libraries underneath only errors."""
    handler = logging.StreamHandler()
    handler.setFormatter(_json() if form == "json" else _Text(FORMAT, TIME))
    handler.addFilter(RepeatLimit())
    logging.basicConfig(level=logging.ERROR, handlers=[handler], force=True)
    logging.getLogger("bakeoff").setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLogger("bakeoff").level))


class RepeatLimit(logging.Filter):
    """Lets `ALIKE` lines of a kind through within `ALIKE_WITHIN_S`, and tells then how many were left out.

    Debug lines all pass: who asks for them wants each.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, int], tuple[float, int]] = {}  # since when, how many

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is printed."""
        if record.levelno <= logging.DEBUG or record.pathname == __file__:
            return True
        kind = record.pathname, record.lineno
        with self._lock:
            now = time.monotonic()
            since, count = self._kinds.get(kind, (now, 0))
            if count <= ALIKE and now - since >= ALIKE_WITHIN_S:
                since, count = now, 0
            self._kinds[kind] = since, count + 1
        if count == ALIKE:
            words = logging.getLogger(record.name), record.levelno, record.getMessage()
            timer = threading.Timer(max(0.0, since + ALIKE_WITHIN_S - now), self._tell, (kind, *words))
            timer.daemon = True
            timer.start()
        return count < ALIKE

    def _tell(self, kind: tuple[str, int], log: logging.Logger, level: int, example: str) -> None:
        with self._lock:
            _, count = self._kinds.pop(kind)
        log.log(level, "%d lines like this one were left out in %g s: %s", count - ALIKE, ALIKE_WITHIN_S, example)


class _Text(logging.Formatter):
    """Indents a traceback, so that nothing in it can pass for a line of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return one_line(super().formatMessage(record))

    def formatException(self, ei) -> str:  # type: ignore[no-untyped-def]  # noqa: N802
        return "\n".join(f"    {one_line(line)}" for line in super().formatException(ei).split("\n"))


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
