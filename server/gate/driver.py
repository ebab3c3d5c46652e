"""One thread per backend: bring it up, then keep looking at it; when it dies, begin again."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from server.backend_addresses import BackendAddress, own_header
from server.backends.client import ANSWER_TIMEOUT_S, BackendClient, BackendError
from server.gate.board import Board
from server.gate.canary import Canary
from server.gate.checks import Disagreement, verify, warm
from server.gate.decoders import decoding_s
from server.gate.model_processes import ModelProcesses
from server.hardware import Hardware
from server.model.reference import Reference
from server.processes.programs import kill_program
from server.settings import Settings

RETRY_S = 10.0
"""Between two attempts to bring up a backend that failed."""

LOOK_TIMEOUT_S = 3.0
"""A server that works says within milliseconds whether it is ready, also under load; `/ready` has to be false within 5 s
of its death."""

BUSY_AFTER_S = 5.0
"""A photo unanswered for so long waits behind others, or the backend hangs: from now on it is seen whether
it computes or decodes anything."""

LOST_PROCESS = "the process of one of its models has ended, and it starts no other"

Report = Callable[[float, str], None]

log = logging.getLogger("bakeoff.readiness")


class Stopping(Exception):
    """The gate is being stopped."""


class Hopeless(Exception):
    """The backend cannot be brought up, and trying again would not help; the message says what would."""


class Preparation(Protocol):
    """What one kind of backend needs before its models can be loaded, and whether this machine can run it at all."""

    def unavailable_reason(self) -> str | None:
        """Return why this machine cannot run the backend, for a person; None when it can."""

    def prepare(self, client: BackendClient, report: Report) -> None:
        """Do what is needed and have the models loaded; report progress, 0 to 1, and the phase.

        Raises:
            Hopeless: it cannot be done, also at a later attempt.
            BackendError: the backend refused its models.
            OSError: something cannot be written.
            Stopping: the gate is being stopped.
        """


class Driver:
    """Drives one backend through its states."""

    def __init__(
        self,
        backend: BackendAddress,
        board: Board,
        settings: Settings,
        hardware: Hardware,
        reference: Reference,
        stopping: threading.Event,
        preparation: Preparation | None = None,
    ) -> None:
        """Take note; `run` does the work.

        Args:
            preparation: what this backend needs besides being started, if anything.
        """
        self._backend = backend
        self._board = board
        self._settings = settings
        self._hardware = hardware
        self._reference = reference
        self._stopping = stopping
        self._preparation = preparation
        self._on_gpu = backend.repository is None and hardware.decode == "gpu"
        self._processes: ModelProcesses | None = None  # of the Triton that was loaded last, unless it was killed
        self._silent_since: float | None = None
        self._unwell_since: float | None = None  # since when a backend that was ready has failed

    def run(self) -> None:
        """Work until the gate stops, the backend is skipped, or there is no hope for it."""
        if self._preparation and (reason := self._preparation.unavailable_reason()):
            self._board.enter(self._backend.name, "skipped", reason)
            return
        restarted: str | None = None
        while not self._stopping.is_set():
            try:
                self._bring_up(restarted)
                self._unwell_since = None
                restarted = self._watch()
                self._unwell_since = time.monotonic()
            except Stopping:
                return
            except Hopeless as error:
                self._board.enter(self._backend.name, "failed", str(error))
                return
            except (BackendError, Disagreement, OSError) as error:
                self._fail(str(error))
            except Exception as error:  # the thread must outlive what nobody foresaw, and say it
                log.exception("%s: unexpected", self._backend.name)
                self._fail(f"the gate met an unexpected error: {error!r}")

    def _bring_up(self, reason: str | None) -> None:
        name = self._backend.name
        largest = self._settings.max_batch_size
        self._board.enter(name, "starting", reason)
        if self._processes and self._processes.one_has_ended():  # while it was warmed or verified
            self._restart(LOST_PROCESS)
        with self._client() as client, self._client(LOOK_TIMEOUT_S) as look:
            deadline = time.monotonic() + self._settings.load_timeout_s
            self._wait_for(look.live, deadline, "did not start to answer")
            self._board.enter(name, "loading")
            if self._preparation:
                self._board.enter(name, "compiling")
                self._preparation.prepare(client, self._report_phase)
                deadline = time.monotonic() + self._settings.load_timeout_s
            self._wait_for(look.ready, deadline, "did not finish loading its models")
            self._processes = ModelProcesses(self._backend.program)
            self._board.enter(name, "warming")
            warm(client, self._reference, self._hardware.warmup_max_batch, self._report)
            self._board.enter(name, "verifying")
            agreement = verify(
                client,
                self._reference,
                largest,
                self._hardware.precision,
                decodes_on_gpu=self._on_gpu,
            )
        parity = {
            kind: {"error": result.error, "error_bound": result.error_bound, "cosine": result.cosine}
            for kind, result in agreement.items()
        }
        self._board.update(name, parity=parity)
        self._board.enter(name, "ready")

    def _watch(self) -> str:
        """Return why the backend has to be brought up again."""
        canary = Canary(
            self._client,
            self._reference,
            self._hardware.precision,
            self._settings.canary_interval_s,
            decodes_on_gpu=self._on_gpu,
        )
        with self._client(LOOK_TIMEOUT_S) as look, canary:
            done, moved = (-1, 0.0), time.monotonic()
            while True:
                self._pause(self._settings.probe_interval_s)
                if self._processes and self._processes.one_has_ended():  # Triton may still say ready, or hang
                    self._pause(0)  # at a stop they end because their model is unloaded
                    self._restart(LOST_PROCESS)
                    return f"{LOST_PROCESS}; killed, and supervisord starts it again"
                try:
                    if not look.ready():
                        return "it stopped answering; supervisord starts it again"
                    if canary.problem:
                        if canary.incurable:  # at once: until it is gone it answers others so too
                            self._restart(canary.problem)
                        return canary.problem
                    if canary.waiting_s < BUSY_AFTER_S:
                        moved = time.monotonic()
                    elif (now := (look.executions(), decoding_s(self._backend.program))) != done:
                        done, moved = now, time.monotonic()
                except (TimeoutError, BackendError):
                    return f"it has not answered for {LOOK_TIMEOUT_S:g} s"
                if time.monotonic() - moved > self._settings.hang_timeout_s:
                    self._restart("it takes requests but has computed nothing")
                    return "it hung and was killed; supervisord starts it again"

    def _fail(self, reason: str) -> None:
        self._board.enter(self._backend.name, "failed", reason)
        if self._unwell_since and time.monotonic() - self._unwell_since > self._settings.hang_timeout_s:
            self._restart(reason)
            return
        self._stopping.wait(RETRY_S)

    def _wait_for(self, condition: Callable[[], bool], deadline: float, problem: str) -> None:
        while not self._holds(condition):
            if time.monotonic() > deadline:
                seconds = self._settings.load_timeout_s
                self._restart(problem)
                raise TimeoutError(f"{problem} within {seconds:g} s (LOAD_TIMEOUT_S); its log lines say why")
            self._pause(0.2)

    def _holds(self, condition: Callable[[], bool]) -> bool:
        """Ask, and kill a program that has kept silent on its open port for too long; one that starts has none yet."""
        try:
            answer = condition()
        except TimeoutError:
            self._silent_since = self._silent_since or time.monotonic() - LOOK_TIMEOUT_S
            if time.monotonic() - self._silent_since > self._settings.hang_timeout_s:
                self._restart("it takes connections and does not answer")
            return False
        self._silent_since = None
        return answer

    def _restart(self, reason: str) -> None:
        if kill_program(self._backend.program):
            log.error("%s: killed, so that supervisord starts it again: %s", self._backend.name, reason)
        self._silent_since = self._unwell_since = self._processes = None

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopping

    def _report(self, progress: float) -> None:
        if self._stopping.is_set():
            raise Stopping
        self._board.update(self._backend.name, progress=progress)

    def _report_phase(self, progress: float, phase: str) -> None:
        self._board.update(self._backend.name, progress=progress, phase=phase)

    def _client(self, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> BackendClient:
        backend = self._backend
        return BackendClient(
            backend.host, backend.http_port, own_header(backend, self._settings), answer_timeout_s=answer_timeout_s
        )
