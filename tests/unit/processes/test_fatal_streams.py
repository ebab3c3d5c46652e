"""Crash loops as supervisord tells of them: streams in the words of its own classes, read by the listener to their end."""

import io
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from supervisor import events
from supervisor.process import EventListenerPool
from supervisor.states import ProcessStates

from server import readiness
from server.processes import fatal
from server.processes.crash_loop import USEFUL_AFTER_S
from server.processes.fatal import CONSOLE, GATE
from server.readiness import write_document
from server.settings import Settings
from server.state import GIVEN_UP, LAST_LINES, PAUSE, READINESS

SUPERVISORD = 4242
BACKENDS = [("pytorch", "pytorch"), ("triton-onnx", "onnx"), ("triton-tensorrt", "tensorrt")]


class EndOfStream(Exception):
    """Nothing more is told."""


class Stack:
    """Programs whose fates the tests tell one after the other, and what the listener makes of them.

    Attributes:
        pauses: before the next start of a program, in seconds, after each of the ends that were told.
        signals: what the listener sent, and to whom.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = Settings(bakeoff_home=folder)
        self.settings.home.state.mkdir()
        self.pauses: list[float] = []
        self.signals: list[tuple[int, int]] = []
        self._now = 1000.0
        self._steps: list[str | Callable[[], None]] = []
        self._payload = ""
        self._pool = EventListenerPool.__new__(EventListenerPool)
        self._pool.config = SimpleNamespace(name="fatal", options=SimpleNamespace(identifier="supervisor"))
        kill = SimpleNamespace(kill=lambda *sent: self.signals.append(sent), getppid=lambda: SUPERVISORD)
        monkeypatch.setattr(fatal, "os", kill)
        monkeypatch.setattr(fatal, "time", SimpleNamespace(monotonic=lambda: self._now, sleep=self._pass))
        monkeypatch.setattr(fatal, "load_settings", lambda: self.settings)
        monkeypatch.setattr(readiness, "_since_boot", lambda: self._now)
        self._monkeypatch = monkeypatch

    def runs(self, program: str, seconds: float = 30.0) -> None:
        self._tell(events.ProcessStateRunningEvent(_process(program), ProcessStates.STARTING))
        self._steps.append(lambda: self._pass(seconds))

    def ends(self, program: str, *, expected: bool = False) -> None:
        self._tell(events.ProcessStateExitedEvent(_process(program), ProcessStates.RUNNING, expected))
        self._steps.append(lambda: self.pauses.append(self._pause(program)))

    def is_given_up_by_supervisord(self, program: str) -> None:
        self._tell(events.ProcessStateFatalEvent(_process(program), ProcessStates.BACKOFF))

    def is_reported(self, **states: str) -> None:
        """Have the gate write its document, and supervisord's clock tick."""
        found = {"ready": False, "backends": {name: {"state": state} for name, state in states.items()}}
        self._steps.append(lambda: write_document(READINESS.at(self.settings.bakeoff_home), found))
        self._tell(events.Tick5Event(1790000000, None))

    def stops(self) -> None:
        self._tell(events.SupervisorStoppingEvent())

    def listen(self) -> int:
        """Have the listener read everything that was told; return how many programs it gave up."""
        said = io.StringIO()
        told = sum(isinstance(step, str) for step in self._steps)
        self._monkeypatch.setattr(fatal, "sys", SimpleNamespace(stdin=self, stdout=said, stderr=sys.stderr))
        with pytest.raises(EndOfStream):
            fatal.main()
        assert said.getvalue() == "READY\nRESULT 2\nOK" * told + "READY\n"
        assert set(self.signals) <= {(SUPERVISORD, signal.SIGTERM)}
        return len(self.signals)

    def readline(self) -> str:
        while self._steps:
            step = self._steps.pop(0)
            if isinstance(step, str):
                header, _, self._payload = step.partition("\n")
                return f"{header}\n"
            step()
        raise EndOfStream

    def read(self, size: int) -> str:
        assert size == len(self._payload)
        return self._payload

    def _tell(self, event: events.Event) -> None:
        self._steps.append(self._pool._eventEnvelope(type(event), 21, 10, event.payload()))

    def _pass(self, seconds: float) -> None:
        self._now += seconds

    def _pause(self, program: str) -> float:
        file = PAUSE.at(self.settings.bakeoff_home, program)
        return float(file.read_text()) if file.exists() else 0.0


def _process(program: str) -> SimpleNamespace:
    group = SimpleNamespace(config=SimpleNamespace(name="gate" if program == GATE else "stack"))
    return SimpleNamespace(config=SimpleNamespace(name=program), group=group, pid=7)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    return Stack(tmp_path, monkeypatch)


@pytest.mark.parametrize(("program", "backend"), BACKENDS)
def test_a_backend_that_ends_five_times_before_it_is_ready_is_given_up_with_its_last_lines(
    stack: Stack, program: str, backend: str, capfd: pytest.CaptureFixture[str]
) -> None:
    LAST_LINES.at(stack.settings.bakeoff_home, program).write_text("CUDA out of memory\nAborted\n")
    for _ in range(5):
        stack.runs(program, seconds=100)
        stack.is_reported(**{backend: "warming", **{other: "ready" for _, other in BACKENDS if other != backend}})
        stack.ends(program)
    assert stack.listen() == 1
    assert stack.pauses[:4] == [0, 1, 2, 4]
    assert GIVEN_UP.at(stack.settings.bakeoff_home).read_text() == program
    assert capfd.readouterr().err.splitlines() == [
        f"the last lines of {program}:", "  CUDA out of memory", "  Aborted",
        f"bakeoff: failed: {program} ended 5 times in a row before it was ready",
    ]  # fmt: skip


def test_four_ends_are_no_loop_and_other_programs_are_counted_apart(stack: Stack) -> None:
    for _ in range(4):
        for program, _ in BACKENDS:
            stack.runs(program)
            stack.ends(program)
    assert stack.listen() == 0
    assert not GIVEN_UP.at(stack.settings.bakeoff_home).exists()


@pytest.mark.parametrize(("program", "backend"), BACKENDS)
@pytest.mark.parametrize(("more", "given_up"), [(3, 0), (4, 1)])
def test_having_been_ready_counts_once(stack: Stack, program: str, backend: str, more: int, given_up: int) -> None:
    for state in [*["loading"] * 4, "ready", *["loading"] * more]:
        stack.runs(program)
        stack.is_reported(**{backend: state})
        if state == "ready":
            stack.is_reported(**{backend: "starting"})  # the gate sees the death before supervisord tells of it
        stack.ends(program)
    assert stack.listen() == given_up
    assert stack.pauses[:7] == [0, 1, 2, 4, 0, 1, 2]


def test_an_end_that_is_expected_is_no_failure(stack: Stack) -> None:
    for _ in range(10):
        stack.runs("triton-tensorrt", seconds=0)
        stack.ends("triton-tensorrt", expected=True)
    assert stack.listen() == 0
    assert set(stack.pauses) == {0}


@pytest.mark.parametrize(("seconds", "given_up"), [(USEFUL_AFTER_S + 1, 0), (USEFUL_AFTER_S - 1, 1)])
def test_a_program_that_the_document_does_not_know_was_of_use_when_it_ran_for_long(
    stack: Stack, seconds: float, given_up: int
) -> None:
    for _ in range(5):
        stack.runs(GATE, seconds)
        stack.ends(GATE)
    assert stack.listen() == given_up


def test_a_time_that_an_earlier_run_took_is_no_use(stack: Stack) -> None:
    for _ in range(5):
        stack.runs(GATE, USEFUL_AFTER_S + 1)
        stack.ends(GATE)
        stack.ends(GATE)  # told without its start: nothing is known of how long it ran
    assert stack.listen() == 0
    assert stack.pauses == [0, 1] * 5


def test_one_that_supervisord_gives_up_is_given_up_at_once(stack: Stack, capfd: pytest.CaptureFixture[str]) -> None:
    stack.is_given_up_by_supervisord("pytorch")
    assert stack.listen() == 1
    assert GIVEN_UP.at(stack.settings.bakeoff_home).read_text() == "pytorch"
    assert "bakeoff: failed: pytorch ended at every start; its lines above say why" in capfd.readouterr().err


def test_the_console_is_never_given_up_and_waits_longer_each_time(stack: Stack) -> None:
    for _ in range(8):
        stack.runs(CONSOLE, seconds=0)
        stack.ends(CONSOLE)
    stack.is_given_up_by_supervisord(CONSOLE)
    assert stack.listen() == 0
    assert stack.pauses == [0, 1, 2, 4, 8, 16, 16, 16]


def test_a_full_disk_costs_the_exit_status_and_not_the_end(stack: Stack) -> None:
    stack.settings.home.state.rmdir()
    for _ in range(5):
        stack.runs("pytorch")
        stack.ends("pytorch")
    assert stack.listen() == 1


def test_what_ends_after_the_stop_was_told_is_not_counted(stack: Stack) -> None:
    for _ in range(4):
        stack.runs("pytorch")
        stack.ends("pytorch")
    stack.stops()
    stack.ends("pytorch")
    stack.is_given_up_by_supervisord("triton-onnx")
    assert stack.listen() == 0
    assert stack.pauses == [0, 1, 2, 4, 4]
