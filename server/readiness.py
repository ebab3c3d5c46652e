"""The readiness document: written by the gate, served at `/ready`, read by `bakeoff status` and `bakeoff health`.

Only the standard library is imported here: the health check runs every few seconds and must start quickly.
"""

import contextlib
import errno
import json
import os
import time
from pathlib import Path
from typing import Any, Literal

STALE_AFTER_S = 4.0
"""A document older than this was left behind by a gate that no longer runs; the gate renews it every second or so."""

PAGE = 4096
ROOM = 2048
"""Spare bytes at the document's end, so that a longer one fits in its place when the disk is full."""

REREAD_AFTER_S = 0.02

Document = dict[str, Any]

State = Literal["starting", "loading", "compiling", "warming", "verifying", "ready", "skipped", "failed"]
"""Of a backend."""


def write_document(path: Path, document: Document) -> None:
    """Replace the document in one step; on a full disk, write over the old one in its place.

    `updated` (Unix seconds) is added for people. `updated_boot_s` is what the document's age is told from: a clock that
    is set while the machine runs does not change it.

    Raises:
        OSError: it cannot be written at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(_encoded(document))
        temporary.replace(path)
    except OSError as error:
        note = f"{path.parent} cannot be written: {error.strerror}; free some space or fix the folder"
        _overwrite(path, _encoded({"note": note, **document}))
        with contextlib.suppress(OSError):
            temporary.unlink()


def _encoded(document: Document) -> bytes:
    stamped = {**document, "updated": time.time(), "updated_boot_s": _since_boot()}
    text = json.dumps(stamped).encode()
    return text.ljust(-(-(len(text) + ROOM) // PAGE) * PAGE)  # JSON may end in spaces


def _overwrite(path: Path, data: bytes) -> None:
    """Write where the old document is: its blocks are its own, however full the disk is."""
    with path.open("r+b") as file:
        if os.fstat(file.fileno()).st_size < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        file.write(data)


def read_document(path: Path) -> Document:
    """Return the document; `ready` is false, with a `note` saying why, when it is missing or stale."""
    try:
        document = _decoded(path)
    except FileNotFoundError:
        return not_ready({}, "the readiness gate has not started yet")
    except ValueError:
        return not_ready({}, "the readiness document is damaged; the gate writes it again within seconds")
    age = age_s(document)
    if not 0 <= age <= STALE_AFTER_S:
        return not_ready(document, f"the readiness gate has not reported for {age:.0f} s")
    return document


def age_s(document: Document) -> float:
    """Return the seconds since the gate wrote a document; since boot, if it has not."""
    age: float = _since_boot() - document.get("updated_boot_s", 0)
    return age


def _decoded(path: Path) -> Document:
    try:
        document: Document = json.loads(path.read_bytes())
    except ValueError:  # perhaps read while it was overwritten
        time.sleep(REREAD_AFTER_S)
        document = json.loads(path.read_bytes())
    return document


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def not_ready(document: Document, note: str) -> Document:
    """Return a document that is not ready, and why; what it says of the backends is kept."""
    return {"since": None, "model": {}, "backends": {}, **document, "ready": False, "note": note}
