"""The readiness document: written by the gate, served at `/ready`, read by `bakeoff status` and `bakeoff health`.

Only the standard library is imported here: the health check runs every few seconds and must start quickly.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

STALE_AFTER_S = 5.0
"""A document older than this was left behind by a gate that no longer runs; the gate renews it every second or so."""

Document = dict[str, Any]


def write_document(path: Path, document: Document) -> None:
    """Replace the document in one step. `updated` (Unix seconds) is added."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps({**document, "updated": time.time()}), encoding="utf-8")
    temporary.replace(path)


def read_document(path: Path) -> Document:
    """Return the document; `ready` is false, with a `note` saying why, when it is missing or stale."""
    try:
        document: Document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _not_ready({}, "the readiness gate has not started yet")
    except ValueError:
        return _not_ready({}, "the readiness document is damaged; the gate writes it again within seconds")
    age = time.time() - document.get("updated", 0)
    if age > STALE_AFTER_S:
        return _not_ready(document, f"the readiness gate has not reported for {age:.0f} s")
    return document


def _not_ready(document: Document, note: str) -> Document:
    return {"since": None, "model": {}, "backends": {}, **document, "ready": False, "note": note}
