"""The state of every backend, and the readiness document made of it."""

import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.backend_addresses import BackendAddress
from server.logs import one_line
from server.readiness import State, write_document
from server.setting_types import BACKEND_NAMES, BackendName

ESTIMABLE = 0.05
"""Progress from which on the time left is told; what little was done before says nothing of the rest."""

log = logging.getLogger("bakeoff.readiness")


@dataclass
class BackendStatus:
    """How far one backend is.

    Attributes:
        reason: why it is where it is, for a person; None while all goes well.
        progress: of the current state, 0 to 1.
        phase: what is being done within the state, for a person, or None.
        required: whether the container is not ready without it.
        joins: it was put beside one that serves; nobody waits for it until it was ready once.
        given_up: it has failed since it was last ready; unless it is required, nobody waits for it any longer.
        timings_s: seconds spent in each state of this start.
        parity: the agreement with the reference, once verified.
    """

    backend: BackendAddress
    state: State = "starting"
    reason: str | None = None
    progress: float = 0.0
    phase: str | None = None
    required: bool = True
    joins: bool = False
    given_up: bool = False
    timings_s: dict[str, float] = field(default_factory=dict)
    parity: dict[str, Any] | None = None
    started: float = field(default_factory=time.monotonic)
    entered: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def remaining_s(self) -> float | None:
        """Seconds that the current state will still take if it goes on as fast as so far; None when nobody can tell."""
        if self.ended is not None or self.progress < ESTIMABLE:
            return None
        return (time.monotonic() - self.entered) * (1 - self.progress) / self.progress

    def as_dict(self) -> dict[str, Any]:
        """Return the backend's part of the document."""
        remaining = self.remaining_s
        return {
            "state": self.state,
            "reason": self.reason,
            "progress": round(self.progress, 3),
            "phase": self.phase,
            "required": self.required,
            "elapsed_s": round((self.ended or time.monotonic()) - self.started, 1),
            "state_s": round(time.monotonic() - self.entered, 1),
            "remaining_s": None if remaining is None else round(remaining, 1),
            "timings_s": self.timings_s,
            "parity": self.parity,
            "title": self.backend.title,
            "url": self.backend.url,
            "grpc_url": self.backend.grpc_url,
        }


class Board:
    """Thread-safe; each backend's driver changes its own entry, the gate publishes the whole.

    What a driver tells of a backend that is off the board is not listened to: it was let go of.
    """

    def __init__(
        self, path: Path, model: dict[str, Any], backends: list[BackendAddress], required: tuple[BackendName, ...] = ()
    ) -> None:
        """Begin with every backend `starting`.

        Args:
            path: where the document goes.
            model: the document's description of the model.
            required: backends that have to be ready; empty: all of them, except where the hardware cannot run one.
        """
        self._path = path
        self._model = model
        self._lock = threading.Lock()
        self._required = required
        self._statuses: dict[str, BackendStatus] = {}
        for backend in backends:
            self._put(backend)
        self._kept: dict[str, Any] | None = None
        self._since: str | None = None
        self._announced: str | None = None
        self._unwritable: str | None = None

    def add(self, backend: BackendAddress) -> None:
        """Put a backend on the board, `starting`, unless it is there.

        Where another one is ready the container stays so meanwhile: whoever serves is not taken for one that does not.
        """
        with self._lock:
            if backend.name not in self._statuses:
                serves = any(status.state == "ready" for status in self._statuses.values())
                self._put(backend)
                self._statuses[backend.name].joins = serves
        self.publish()

    def remove(self, name: str) -> None:
        """Take a backend off the board: it is not served any more."""
        with self._lock:
            self._statuses.pop(name, None)
        self.publish()

    def declare(self, kept: dict[str, Any] | None) -> None:
        """Say what is kept, and how far that is."""
        with self._lock:
            self._kept = kept
        self.publish()

    def enter(self, name: str, state: State, reason: str | None = None) -> None:
        """Move a backend to a state; entering `starting` begins its clock anew."""
        with self._lock:
            status = self._statuses.get(name)
            if status is None:
                return
            now = time.monotonic()
            if state == "starting":
                status.timings_s, status.parity, status.started = {}, None, now
            else:
                spent = status.timings_s.get(status.state, 0.0) + now - status.entered
                status.timings_s = {**status.timings_s, status.state: round(spent, 2)}
            status.state, status.reason, status.entered = state, reason, now
            status.phase = None
            status.given_up = state == "failed" or (status.given_up and state != "ready")
            status.joins &= state != "ready"
            settled = state in ("ready", "skipped", "failed")
            status.progress = 1.0 if state == "ready" else 0.0
            status.ended = now if settled else None
        log.info("%s: %s%s", name, state, f": {reason}" if reason else "")
        self.publish()

    def update(
        self,
        name: str,
        *,
        progress: float | None = None,
        phase: str | None = None,
        parity: dict[str, Any] | None = None,
    ) -> None:
        """Record progress and phase within a state, or the parity figures."""
        with self._lock:
            status = self._statuses.get(name)
            if status is None:
                return
            if progress is not None:
                status.progress, status.phase = progress, phase
            if parity is not None:
                status.parity = parity

    def state(self, name: str) -> State | None:
        """Return a backend's state; None for one that is off the board."""
        with self._lock:
            status = self._statuses.get(name)
            return status.state if status else None

    def publish(self, closing: bool = False) -> None:
        """Write the document, and print the launcher's line when the answer has changed."""
        with self._lock:
            statuses = list(self._statuses.values())
            one_ready = any(status.state == "ready" for status in statuses)
            ready = not closing and one_ready and all(map(self._suffices, statuses))
            if ready and self._since is None:
                self._since = datetime.now(UTC).isoformat(timespec="seconds")
            elif not ready:
                self._since = None
            document = {
                "ready": ready,
                "since": self._since,
                "model": self._model,
                "kept": self._kept,
                "backends": {name: status.as_dict() for name, status in self._statuses.items()},
            }
            try:
                write_document(self._path, document)
                self._unwritable = None
            except OSError as error:  # /ready answers 503 by itself once the last document is too old
                if str(error) != self._unwritable:
                    log.error("the readiness document cannot be written: %s; free some space or fix the folder", error)
                self._unwritable = str(error)
            if not closing:
                self._announce(ready)

    def _put(self, backend: BackendAddress) -> None:
        required = not self._required or backend.name in self._required
        found = {**self._statuses, backend.name: BackendStatus(backend, required=required)}
        self._statuses = {name: found[name] for name in BACKEND_NAMES if name in found}

    def _suffices(self, status: BackendStatus) -> bool:
        """Tell whether a backend does not keep the container from being ready."""
        if status.joins:
            return True
        if status.required:
            return status.state == "ready" or (status.state == "skipped" and not self._required)
        return status.state in ("ready", "skipped") or status.given_up

    def _prevents(self, status: BackendStatus) -> bool:
        """Tell whether a backend has settled in a state in which the container cannot become ready."""
        return status.required and status.state in ("failed", "skipped") and not self._suffices(status)

    def _announce(self, ready: bool) -> None:
        line = None
        if ready:
            line = "bakeoff: ready"
        elif failures := [
            f"{name}: {status.reason}" for name, status in self._statuses.items() if self._prevents(status)
        ]:
            line = f"bakeoff: failed: {'; '.join(failures)}"
        elif self._statuses and all(status.state in ("skipped", "failed") for status in self._statuses.values()):
            line = "bakeoff: failed: every backend is skipped or has failed, so there is nothing to serve"
        if line is not None and line != self._announced:
            print(one_line(line), flush=True)
        self._announced = line
