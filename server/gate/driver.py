"""One thread per backend: bring it up, then keep looking at it; when it dies, begin again."""

import logging
import threading
import time
from collections.abc import Callable

from server.backends import Backend
from server.gate.board import Board
from server.gate.checks import Disagreement, verify, warm
from server.gate.client import BackendClient, BackendError
from server.hardware import Hardware
from server.model.reference import Reference
from server.settings import Settings

RETRY_S = 10.0
"""Between two attempts to bring up a backend that failed."""

UnavailableReason = Callable[[], str | None]

log = logging.getLogger("bakeoff.readiness")


class Stopping(Exception):
    """The gate is being stopped."""


class Driver:
    """Drives one backend through its states."""

    def __init__(
        self,
        backend: Backend,
        board: Board,
        settings: Settings,
        hardware: Hardware,
        reference: Reference,
        stopping: threading.Event,
        unavailable_reason: UnavailableReason,
    ) -> None:
        """Prepare; `run` does the work.

        Args:
            unavailable_reason: says why this machine cannot run the backend, or None when it can.
        """
        self._backend = backend
        self._board = board
        self._settings = settings
        self._hardware = hardware
        self._reference = reference
        self._stopping = stopping
        self._unavailable_reason = unavailable_reason

    def run(self) -> None:
        """Work until the gate stops, or for good once the backend is skipped."""
        if reason := self._unavailable_reason():
            self._board.enter(self._backend.name, "skipped", reason)
            return
        restarted: str | None = None
        while not self._stopping.is_set():
            try:
                self._bring_up(restarted)
                restarted = self._watch()
            except Stopping:
                return
            except (BackendError, Disagreement, TimeoutError) as error:
                self._fail(str(error))
            except Exception as error:  # the thread must outlive what nobody foresaw, and say it
                log.exception("%s: unexpected", self._backend.name)
                self._fail(f"the gate met an unexpected error: {error!r}")

    def _bring_up(self, reason: str | None) -> None:
        name = self._backend.name
        largest = self._settings.max_batch_size
        self._board.enter(name, "starting", reason)
        with self._client() as client:
            deadline = time.monotonic() + self._settings.load_timeout_s
            self._wait_for(client.live, deadline, "did not start to answer")
            self._board.enter(name, "loading")
            self._wait_for(client.ready, deadline, "did not finish loading its models")
            self._board.enter(name, "warming")
            warm(client, self._reference, self._hardware.warmup_max_batch, self._report)
            self._board.enter(name, "verifying")
            agreement = verify(
                client,
                self._reference,
                largest,
                self._hardware.precision,
                decodes_on_gpu=self._backend.repository is None and self._hardware.decode == "gpu",
            )
        parity = {
            kind: {"error": result.error, "error_bound": result.error_bound, "cosine": result.cosine}
            for kind, result in agreement.items()
        }
        self._board.update(name, parity=parity)
        self._board.enter(name, "ready")

    def _watch(self) -> str:
        """Return why the backend has to be brought up again."""
        with self._client() as client:
            while True:
                self._pause(self._settings.probe_interval_s)
                if not client.ready():
                    return "it stopped answering; supervisord starts it again"

    def _fail(self, reason: str) -> None:
        self._board.enter(self._backend.name, "failed", reason)
        self._stopping.wait(RETRY_S)

    def _wait_for(self, condition: Callable[[], bool], deadline: float, problem: str) -> None:
        while not condition():
            if time.monotonic() > deadline:
                seconds = self._settings.load_timeout_s
                raise TimeoutError(f"{problem} within {seconds:g} s (LOAD_TIMEOUT_S); its log lines say why")
            self._pause(0.2)

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopping

    def _report(self, progress: float) -> None:
        if self._stopping.is_set():
            raise Stopping
        self._board.update(self._backend.name, progress=progress)

    def _client(self) -> BackendClient:
        return BackendClient(self._backend.host, self._backend.http_port)
