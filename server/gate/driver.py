"""One thread per backend: bring it up, then keep looking at it; when it dies, begin again."""

import logging
import time
from collections.abc import Callable
from typing import Any

from server.backends.client import ANSWER_TIMEOUT_S, BackendClient, BackendError, connect
from server.backends.interface import Backend, Hopeless, Stopping
from server.gate.board import Board
from server.gate.canary import Canary
from server.gate.checks import Disagreement, verify, warm
from server.gate.decoders import decoding_s
from server.gate.model_processes import ModelProcesses
from server.hardware import Hardware
from server.model.reference import Reference
from server.processes.programs import find_program, kill_program
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

LOST_MODEL = "it answers, but has no model loaded any more"

log = logging.getLogger("bakeoff.readiness")


class Driver:
    """Drives one backend through its states."""

    def __init__(
        self,
        backend: Backend,
        board: Board,
        settings: Settings,
        hardware: Hardware,
        reference: Reference,
    ) -> None:
        """Take note; `run` does the work."""
        self._backend = backend
        self._name = backend.address.name
        self._program = backend.address.program
        self._board = board
        self._settings = settings
        self._hardware = hardware
        self._reference = reference
        self._stopping = backend.stopping
        self._processes: ModelProcesses | None = None  # of the Triton that was loaded last, unless it was killed
        self._silent_since: float | None = None
        self._unwell_since: float | None = None  # since when a backend that was ready has failed
        self._verified: int | None = None  # the process id of the program that was, if it was ready
        self._parity: dict[str, Any] = {}

    def run(self) -> None:
        """Work until the gate lets go of the backend, it is skipped, or there is no hope for it."""
        if reason := self._backend.unavailable_reason():
            self._board.enter(self._name, "skipped", reason)
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
                self._board.enter(self._name, "failed", str(error))
                return
            except (BackendError, Disagreement, OSError) as error:
                self._fail(str(error))
            except Exception as error:  # the thread must outlive what nobody foresaw, and say it
                log.exception("%s: unexpected", self._name)
                self._fail(f"the gate met an unexpected error: {error!r}")

    def _bring_up(self, reason: str | None) -> None:
        name = self._name
        self._board.enter(name, "starting", reason)
        if self._processes and self._processes.one_has_ended():  # while it was warmed or verified
            self._restart(LOST_PROCESS)
        with self._client() as client, self._client(LOOK_TIMEOUT_S) as look:
            deadline = time.monotonic() + self._settings.load_timeout_s
            self._wait_for(look.live, deadline, "did not start to answer")
            self._board.enter(name, "loading")
            self._backend.prepare(client, self._report_phase)
            deadline = time.monotonic() + self._settings.load_timeout_s
            self._wait_for(look.ready, deadline, "did not finish loading its models")
            self._processes = ModelProcesses(self._program)
            running, verified, self._verified = self._pid(), self._verified, None
            if reason == LOST_MODEL and running is not None and running == verified:
                self._verify_again(client)
            else:
                self._warm_and_verify(client)
        self._verified = running
        self._board.update(name, parity=self._parity)
        self._board.enter(name, "ready")

    def _warm_and_verify(self, client: BackendClient) -> None:
        name = self._name
        self._board.enter(name, "warming")
        warm(client, self._reference, self._hardware.warmup_max_batch, self._report)
        self._board.enter(name, "verifying")
        agreement = verify(
            client,
            self._reference,
            self._settings.max_batch_size,
            self._hardware.precision,
            decodes_on_gpu=self._backend.decodes_on_gpu,
        )
        self._parity = {
            kind: {"error": result.error, "error_bound": result.error_bound, "cosine": result.cosine}
            for kind, result in agreement.items()
        }

    def _verify_again(self, client: BackendClient) -> None:
        """Look at one photo: the server is the one that was verified, and has only loaded the same model once more."""
        self._board.enter(self._name, "verifying")
        if problem := self._canary().ask(client, 0):
            self._restart(problem)  # at once: until it is gone it answers others so too
            raise Disagreement(problem)

    def _watch(self) -> str:
        """Return why the backend has to be brought up again."""
        canary = self._canary()
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
                        return LOST_MODEL if look.live() else "it stopped answering; supervisord starts it again"
                    if canary.problem:
                        if canary.incurable:  # at once: until it is gone it answers others so too
                            self._restart(canary.problem)
                        return canary.problem
                    if canary.waiting_s < BUSY_AFTER_S:
                        moved = time.monotonic()
                    elif (now := (look.executions(), decoding_s(self._program))) != done:
                        done, moved = now, time.monotonic()
                except (TimeoutError, BackendError):
                    return f"it has not answered for {LOOK_TIMEOUT_S:g} s"
                if time.monotonic() - moved > self._settings.hang_timeout_s:
                    self._restart("it takes requests but has computed nothing")
                    return "it hung and was killed; supervisord starts it again"

    def _fail(self, reason: str) -> None:
        self._board.enter(self._name, "failed", reason)
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
        if kill_program(self._program):
            log.error("%s: killed, so that supervisord starts it again: %s", self._name, reason)
        self._silent_since = self._unwell_since = self._processes = None

    def _pid(self) -> int | None:
        program = find_program(self._program)
        return program.pid if program else None

    def _canary(self) -> Canary:
        return Canary(
            self._client,
            self._reference,
            self._hardware.precision,
            self._settings.canary_interval_s,
            decodes_on_gpu=self._backend.decodes_on_gpu,
        )

    def _pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Stopping

    def _report(self, progress: float) -> None:
        if self._stopping.is_set():
            raise Stopping
        self._board.update(self._name, progress=progress)

    def _report_phase(self, progress: float, phase: str) -> None:
        if self._board.state(self._name) != "compiling":
            self._board.enter(self._name, "compiling")
        self._board.update(self._name, progress=progress, phase=phase)

    def _client(self, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> BackendClient:
        return connect(self._backend.address, answer_timeout_s)
