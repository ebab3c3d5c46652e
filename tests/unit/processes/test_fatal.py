"""The listener's watch on the gate."""

from pathlib import Path

import pytest

from server import readiness
from server.processes import fatal
from server.processes.fatal import GATE, Listener
from server.readiness import write_document
from server.settings import Settings
from server.state import READINESS

RUNNING = f"processname:{GATE} groupname:gate from_state:STARTING pid:1"
EXITED = f"processname:{GATE} groupname:gate from_state:RUNNING expected:0 pid:1"
TICK = ("TICK_5", "when:1")


class Stack:
    """A listener, a document, and a clock that the tests set forward."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.killed: list[str] = []
        self.later_s = 0.0
        boot = readiness._since_boot
        monkeypatch.setattr(readiness, "_since_boot", lambda: boot() + self.later_s)
        monkeypatch.setattr(fatal, "kill_program", lambda name: self.killed.append(name) or True)
        self._file = READINESS.at(folder)
        self.listener = Listener(Settings(bakeoff_home=folder, hang_timeout_s=30))
        self._file.parent.mkdir(parents=True)

    def report(self) -> None:
        write_document(self._file, {"ready": True, "backends": {}})


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    return Stack(tmp_path, monkeypatch)


def test_a_gate_that_reports_no_more_is_killed_once(stack: Stack) -> None:
    stack.listener.handle("PROCESS_STATE_RUNNING", RUNNING)
    stack.report()
    stack.listener.handle(*TICK)
    stack.later_s = 20
    stack.listener.handle(*TICK)
    assert stack.killed == []
    stack.later_s = 40
    stack.listener.handle(*TICK)
    stack.listener.handle(*TICK)
    assert stack.killed == [GATE]


def test_a_gate_that_has_not_reported_yet_is_left_alone_as_it_may_export(stack: Stack) -> None:
    stack.listener.handle("PROCESS_STATE_RUNNING", RUNNING)
    stack.report()
    stack.listener.handle(*TICK)
    stack.listener.handle("PROCESS_STATE_EXITED", EXITED)
    stack.listener.handle(*TICK)  # the document of the one before is still fresh
    stack.later_s = 40
    stack.listener.handle("PROCESS_STATE_RUNNING", RUNNING)
    stack.listener.handle(*TICK)
    assert stack.killed == []


def test_what_ends_while_everything_is_stopped_was_not_given_up(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is drained within its first seconds ends "too quickly" for supervisord, which calls that FATAL."""
    given_up: list[str] = []
    monkeypatch.setattr(stack.listener, "_give_up", lambda program, _: given_up.append(program))
    stack.report()
    stack.listener.handle("PROCESS_STATE_FATAL", EXITED)
    stack.listener.handle("SUPERVISOR_STATE_CHANGE_STOPPING", "")
    stack.listener.handle("PROCESS_STATE_FATAL", EXITED)
    assert len(given_up) == 1
