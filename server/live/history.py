"""The last minutes in columns of equal length: written by the gate, read by the page and by `bakeoff status`.

Only the standard library is imported here, as in the readiness document.
"""

import json
import os
import time
from collections import deque
from pathlib import Path
from typing import Any

INTERVAL_S = 2.0
KEPT = 150
"""Looks that are kept: five minutes."""

STALE_AFTER_S = 10.0
"""Figures older than this are of a gate that no longer runs."""

BACKEND_COLUMNS = (
    "images_per_s", "requests_per_s", "failures_per_s", "batch", "queue_ms", "p50_ms", "p99_ms", "waiting", "gpu_memory",
)  # fmt: skip
MACHINE_COLUMNS = ("gpu", "gpu_memory", "cpu", "memory")

History = dict[str, Any]


class Recorder:
    """Adds one look after the other; what a look does not tell is None."""

    def __init__(self, path: Path, backends: tuple[str, ...], facts: dict[str, Any]) -> None:
        """Begin with nothing.

        Args:
            path: where the history goes.
            facts: of the machine, that do not change.
        """
        self._path = path
        self._facts = facts
        self._notes: dict[str, dict[str, str]] = {name: {} for name in backends}
        self._at = _column()
        self._machine = {name: _column() for name in MACHINE_COLUMNS}
        self._backends = {name: {column: _column() for column in BACKEND_COLUMNS} for name in backends}

    def add(
        self,
        machine: dict[str, float | None],
        backends: dict[str, dict[str, float | None]],
        notes: dict[str, dict[str, str]],
    ) -> None:
        """Add a look and write the history in one step.

        Args:
            notes: by backend, what its figures are of: `waiting` requests or images, `latency` of which model.

        Raises:
            OSError: it cannot be written.
        """
        self._at.append(round(time.time(), 2))
        for column, values in self._machine.items():
            values.append(_rounded(machine.get(column)))
        for name, columns in self._backends.items():
            self._notes[name].update(notes.get(name, {}))
            for column, values in columns.items():
                values.append(_rounded(backends.get(name, {}).get(column)))
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self.document, separators=(",", ":")), encoding="utf-8")
        temporary.replace(self._path)

    @property
    def document(self) -> History:
        """The history as it is written."""
        return {
            "interval_s": INTERVAL_S,
            "kept": KEPT,
            "facts": self._facts,
            "notes": self._notes,
            "at": list(self._at),
            "machine": {name: list(values) for name, values in self._machine.items()},
            "backends": {
                name: {column: list(values) for column, values in columns.items()}
                for name, columns in self._backends.items()
            },
        }


def read_history(path: Path, since: float = 0.0) -> History:
    """Return the history, only of looks after `since` (Unix seconds); empty when there is none or it is stale."""
    try:
        history: History = json.loads(path.read_text(encoding="utf-8"))
        at = history["at"]
    except (OSError, ValueError, KeyError):
        return {}
    if not at or time.time() - at[-1] > STALE_AFTER_S:
        return {}
    first = next((index for index, moment in enumerate(at) if moment > since), len(at))
    history["at"] = at[first:]
    for columns in (history["machine"], *history["backends"].values()):
        for name, values in columns.items():
            columns[name] = values[first:]
    return history


def _column() -> "deque[float | None]":
    return deque(maxlen=KEPT)


def _rounded(value: float | None) -> float | None:
    """Keep four digits, which is more than a chart shows."""
    return None if value is None else float(f"{value:.4g}")
