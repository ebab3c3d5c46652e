"""What the program writes: a file in one step, its log, its answers."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def write(path: Path, content: memoryview | bytes) -> None:
    """Put `content` at `path` in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def log(line: str) -> None:
    """Write a line to standard error."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def say(**fields: Any) -> None:
    """Write an answer to standard output."""
    with contextlib.suppress(BrokenPipeError):  # whoever asked has gone; the engine is worth finishing all the same
        print(json.dumps(fields), flush=True)
