"""What runs becomes what is kept, one program after the other: doubles of supervisord, of backends and of what drives them."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server import kept
from server.backend_addresses import addresses
from server.backends.interface import Backend
from server.gate import reconciler as module
from server.gate.board import Board
from server.gate.front import GATEWAY
from server.gate.reconciler import Reconciler
from server.kept import Kept
from server.processes.control import ControlError
from server.readiness import State, read_document
from server.setting_types import BACKEND_NAMES
from server.settings import Settings
from server.state import KEPT, READINESS

PROGRAMS = {"pytorch": "pytorch", "onnx": "triton-onnx", "tensorrt": "triton-tensorrt"}


class SupervisorDouble:
    """Programs and their states; a program that is told to end has done so at the next question.

    Attributes:
        told: what it was told, in order.
        problem: what it says instead of an answer.
    """

    def __init__(self, *up: str) -> None:
        names = [*PROGRAMS.values(), GATEWAY]
        self.programs = {name: "RUNNING" if name in up else "STOPPED" for name in names}
        self.told: list[str] = []
        self.problem: str | None = None

    def states(self) -> dict[str, str]:
        if self.problem:
            raise ControlError(self.problem)
        return dict(self.programs)

    def start(self, program: str) -> None:
        self.told.append(f"start {program}")
        self.programs[program] = "RUNNING"

    def end(self, program: str, seconds: float) -> None:
        assert 3 < seconds < 9, "more than supervisord's share of a stop, less than the whole"
        self.told.append(f"end {program}")
        self.programs[program] = "STOPPED"


class BackendDouble(Backend):
    """One that a machine can run or not; what it is told is written into the supervisor's list."""

    def __init__(self, name: str, settings: Settings, told: list[str], reason: str | None = None) -> None:
        super().__init__(addresses(settings)[name])  # type: ignore[index]
        self.front = name == "pytorch"  # type: ignore[misc]
        self._told = told
        self._reason = reason

    def unavailable_reason(self) -> str | None:
        return self._reason

    def finish(self, deadline: float) -> bool:
        assert deadline - time.monotonic() > 9, "requests may take longer than a whole stop"
        assert self.stopping.is_set(), "nobody probes it any more"
        self._told.append(f"finish {self.address.name}")
        return True

    def drain(self, deadline: float) -> None:
        raise AssertionError("that is for a stop of the whole stack")


class Gate:
    """The reconciler's surroundings."""

    def __init__(self, folder: Path, supervisor: SupervisorDouble, **changes: Any) -> None:
        self.settings = Settings(bakeoff_home=folder, **changes)
        self.supervisor = supervisor
        table = [
            BackendDouble(name, self.settings, supervisor.told, "needs a GPU" if name == "tensorrt" else None)
            for name in self.settings.backends
        ]
        self.board = Board(READINESS.at(folder), {}, [])
        self.driven: list[str] = []
        self.outlasts = threading.Event()
        self.reconciler = Reconciler(table, self.board, supervisor, self.settings, self._driver)  # type: ignore[arg-type]

    def _driver(self, backend: Backend) -> Any:
        name, gate = backend.address.name, self

        class Driver:
            def run(self) -> None:
                gate.driven.append(name)
                if reason := backend.unavailable_reason():
                    gate.board.enter(name, "skipped", reason)
                    return
                backend.stopping.wait(30)
                gate.outlasts.wait(30)

        self.outlasts.set()
        return Driver()

    def keep(self, *names: str) -> Kept:
        made = Kept.model_validate(
            {"backends": names, "by": "ada@here", "when": datetime.now(UTC), "sentence": "It won."}
        )
        kept.write(self.settings.bakeoff_home, made)
        return made

    def enter(self, state: State, *names: str) -> None:
        for name in names:
            self.board.enter(name, state)

    @property
    def document(self) -> dict[str, Any]:
        return read_document(READINESS.at(self.settings.bakeoff_home))

    @property
    def kept(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["kept"]
        return found

    @property
    def served(self) -> list[str]:
        assert [address.name for address in self.reconciler.served()] == list(self.document["backends"])
        return list(self.document["backends"])


class NothingHeld:
    """Stands in for what a program holds: 100 MiB of GPU memory."""

    def __init__(self, program: str) -> None:
        self.program = program

    def wait(self, seconds: float) -> bool:
        return False

    def freed(self) -> int | None:
        return 100 * 2**20


@pytest.fixture(autouse=True)
def accepting(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return who would accept the connections of port 8002."""
    found = {GATEWAY, "pytorch"}
    monkeypatch.setattr(module, "accepts", lambda _settings, program: program in found)
    monkeypatch.setattr(module, "Holdings", NothingHeld)
    return found


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Gate]:
    def made(*up: str, **changes: Any) -> Gate:
        return Gate(tmp_path, SupervisorDouble(*up), **changes)

    return made


@pytest.fixture
def gate(make: Callable[..., Gate]) -> Gate:
    """Return one of a stack in which everything that can be is ready, and nothing was chosen yet."""
    found = make(*PROGRAMS.values())
    found.reconciler.step()
    found.enter("ready", "pytorch", "onnx")
    return found


def test_without_a_choice_every_backend_is_driven_and_nothing_is_started_or_ended(gate: Gate) -> None:
    gate.reconciler.step()
    assert sorted(gate.driven) == sorted(BACKEND_NAMES)
    assert gate.supervisor.told == []
    assert gate.served == list(BACKEND_NAMES)
    assert gate.kept is None


def test_the_others_finish_and_are_ended_and_the_kept_one_is_left_alone(gate: Gate) -> None:
    made = gate.keep("pytorch")
    gate.reconciler.step()
    assert gate.supervisor.told == ["finish onnx", "end triton-onnx", "finish tensorrt", "end triton-tensorrt"]
    assert gate.served == ["pytorch"]
    assert gate.document["ready"]
    assert Kept.model_validate(gate.kept) == made
    assert gate.kept["done"]
    assert gate.kept["ended"] == {name: {"gpu_memory_freed": 100 * 2**20} for name in ("onnx", "tensorrt")}
    assert gate.kept["unavailable"] == {"tensorrt": "needs a GPU"}
    assert (gate.kept["outranked"], gate.kept["waits_for"], gate.kept["ending"]) == (None, None, [])


def test_it_is_carried_out_once(gate: Gate) -> None:
    gate.keep("pytorch")
    gate.reconciler.step()
    told = list(gate.supervisor.told)
    for _ in range(3):
        gate.reconciler.step()
    assert gate.supervisor.told == told


def test_the_gateway_has_the_port_before_the_front_is_ended(gate: Gate, accepting: set[str]) -> None:
    accepting.clear()
    gate.keep("onnx")
    gate.reconciler.step()
    assert gate.supervisor.told == ["start gateway"]
    assert gate.kept["waits_for"] == "gateway to take over port 8002"
    assert gate.served == list(BACKEND_NAMES), "it serves on"
    accepting.add(GATEWAY)
    gate.reconciler.step()
    assert gate.supervisor.told[1:3] == ["finish pytorch", "end pytorch"]
    assert gate.served == ["onnx"]
    assert gate.kept["done"]


def test_a_gateway_that_is_still_ending_is_started_only_then(gate: Gate) -> None:
    gate.supervisor.programs[GATEWAY] = "STOPPING"
    gate.keep("onnx")
    gate.reconciler.step()
    assert gate.supervisor.told == []
    assert gate.kept["waits_for"] == "gateway to end, before it is started again"
    gate.supervisor.programs[GATEWAY] = "STOPPED"
    gate.reconciler.step()
    assert gate.supervisor.told[0] == "start gateway"


def test_nothing_is_ended_before_the_kept_one_is_ready(make: Callable[..., Gate]) -> None:
    gate = make(*PROGRAMS.values())
    gate.keep("onnx")
    gate.reconciler.step()
    assert gate.supervisor.told == ["start gateway"], "the others run, and were not chosen"
    assert gate.kept["waits_for"] == "onnx to be ready, before pytorch or tensorrt is ended"
    assert not gate.kept["done"]
    gate.enter("ready", "onnx")
    gate.reconciler.step()
    assert {"end pytorch", "end triton-tensorrt"} <= set(gate.supervisor.told)
    assert gate.kept["done"]


def test_all_are_brought_back_while_the_kept_one_serves(gate: Gate, accepting: set[str]) -> None:
    gate.keep("onnx")
    gate.reconciler.step()
    del gate.supervisor.told[:]
    gate.keep("pytorch", "onnx", "tensorrt")
    gate.reconciler.step()
    assert gate.supervisor.told == ["start pytorch"], "tensorrt cannot run here"
    assert gate.served == list(BACKEND_NAMES)
    assert gate.document["ready"], "who serves is not taken for one that does not"
    assert gate.kept["waits_for"] == "pytorch to be ready, before gateway is ended"
    gate.enter("loading", "pytorch")
    gate.reconciler.step()
    assert gate.document["ready"]
    assert gate.supervisor.told == ["start pytorch"]
    gate.enter("ready", "pytorch")
    accepting.clear()
    gate.reconciler.step()
    assert gate.supervisor.told == ["start pytorch"], "the gateway has the port alone"
    accepting.add("pytorch")
    gate.reconciler.step()
    assert gate.supervisor.told == ["start pytorch", "end gateway"]
    assert gate.kept["done"]
    gate.enter("starting", "pytorch")
    assert not gate.document["ready"], "from now on it counts"


def test_another_one_is_ready_before_the_kept_one_is_ended(gate: Gate) -> None:
    gate.keep("pytorch")
    gate.reconciler.step()
    del gate.supervisor.told[:]
    gate.keep("onnx")
    gate.reconciler.step()
    assert gate.supervisor.told == ["start triton-onnx", "start gateway"]
    assert gate.served == ["pytorch", "onnx"]
    gate.enter("failed", "onnx")
    gate.reconciler.step()
    assert gate.served == ["pytorch", "onnx"], "somebody has to serve"
    gate.enter("ready", "onnx")
    gate.reconciler.step()
    assert gate.supervisor.told[2:] == ["finish pytorch", "end pytorch"]
    assert gate.served == ["onnx"]


def test_what_the_gateway_asks_is_ended_after_it(gate: Gate) -> None:
    gate.keep("onnx")
    gate.reconciler.step()
    gate.keep("pytorch")
    gate.reconciler.step()
    del gate.supervisor.told[:]
    gate.enter("ready", "pytorch")
    gate.reconciler.step()
    assert gate.supervisor.told == ["end gateway"]
    assert gate.kept["waits_for"] == "gateway to end before onnx"
    gate.supervisor.programs[GATEWAY] = "STOPPING"
    gate.reconciler.step()
    assert gate.supervisor.told == ["end gateway"]
    gate.supervisor.programs[GATEWAY] = "STOPPED"
    gate.reconciler.step()
    assert gate.supervisor.told == ["end gateway", "finish onnx", "end triton-onnx"]
    assert gate.kept["done"]


def test_one_that_is_still_ending_is_started_only_then(gate: Gate) -> None:
    gate.keep("pytorch")
    gate.reconciler.step()
    gate.supervisor.programs["triton-onnx"] = "STOPPING"
    gate.keep("pytorch", "onnx")
    gate.reconciler.step()
    assert "start triton-onnx" not in gate.supervisor.told
    assert gate.kept["waits_for"] == "onnx to have ended before it is started again"
    gate.supervisor.programs["triton-onnx"] = "STOPPED"
    gate.reconciler.step()
    assert gate.supervisor.told[-1] == "start triton-onnx"


def test_one_whose_driver_has_not_let_go_is_brought_back_only_then(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JOIN_S", 0.05)
    gate.outlasts.clear()
    gate.keep("pytorch")
    gate.reconciler.step()
    gate.keep("pytorch", "onnx")
    gate.reconciler.step()
    assert gate.kept["waits_for"] == "onnx to have ended before it is started again"
    gate.outlasts.set()
    gate.reconciler._drivers["onnx"].join(10)
    gate.reconciler.step()
    assert gate.driven.count("onnx") == 2


def test_what_one_that_was_let_go_of_still_tells_is_not_heard(gate: Gate) -> None:
    gate.keep("pytorch")
    gate.reconciler.step()
    gate.enter("failed", "onnx")
    gate.board.update("onnx", progress=0.5)
    assert gate.served == ["pytorch"]
    assert gate.board.state("onnx") is None


def test_a_new_gate_goes_on_where_the_one_before_was(make: Callable[..., Gate]) -> None:
    """It died after the choice: what runs and is not kept is ended, what is kept is taken as it runs."""
    gate = make("triton-onnx", "pytorch", GATEWAY)
    gate.keep("onnx")
    gate.reconciler.step()
    gate.enter("ready", "onnx")
    gate.reconciler.step()
    assert gate.supervisor.told == ["finish pytorch", "end pytorch"]


def test_backends_that_are_set_outrank_the_choice_and_say_so(
    make: Callable[..., Gate], caplog: pytest.LogCaptureFixture
) -> None:
    gate = make(*PROGRAMS.values(), backends=("pytorch", "onnx"))
    gate.keep("onnx")
    gate.reconciler.step()
    gate.enter("ready", "pytorch", "onnx")
    gate.reconciler.step()
    assert gate.served == ["pytorch", "onnx"]
    assert gate.supervisor.told == []
    words = "BACKENDS=pytorch,onnx is set and outranks onnx, which was kept by ada@here"
    assert words in gate.kept["outranked"]
    assert sum(words in line for line in caplog.messages) == 1


def test_a_damaged_declaration_changes_nothing_and_is_told_once(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    gate.keep("onnx")
    gate.reconciler.step()
    caplog.clear()
    KEPT.at(gate.settings.bakeoff_home).write_text("{")
    for _ in range(3):
        gate.reconciler.step()
    assert gate.served == ["onnx"]
    assert len([line for line in caplog.messages if "what is kept cannot be read" in line]) == 1


def test_a_declaration_that_is_gone_is_no_choice(gate: Gate) -> None:
    gate.keep("onnx")
    gate.reconciler.step()
    KEPT.at(gate.settings.bakeoff_home).unlink()
    gate.reconciler.step()
    assert gate.served == list(BACKEND_NAMES)
    assert gate.kept is None


def test_a_supervisord_that_does_not_answer_is_told_once_and_asked_again(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    gate.supervisor.problem = "supervisord does not answer: refused"
    gate.keep("pytorch")
    for _ in range(3):
        gate.reconciler.step()
    assert gate.kept["waits_for"] == gate.supervisor.problem
    assert len([line for line in caplog.messages if "refused" in line]) == 1
    gate.supervisor.problem = None
    gate.reconciler.step()
    assert gate.kept["done"]


def test_while_one_is_ended_that_is_said(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(NothingHeld, "wait", lambda *_: seen.append((gate.kept["ending"], gate.kept["done"])))
    gate.keep("pytorch")
    gate.reconciler.step()
    assert seen == [(["onnx"], False), (["tensorrt"], False)]


def test_the_log_says_who_chose_why_and_what_was_freed(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bakeoff.readiness")
    gate.keep("pytorch")
    gate.reconciler.step()
    assert "kept: pytorch, by ada@here (It won.)" in caplog.messages
    assert "onnx: ended; 100 MiB of GPU memory are free again" in caplog.messages


def test_what_nobody_foresaw_ends_no_thread(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping, steps = threading.Event(), iter(range(3))

    def step() -> None:
        if next(steps) == 2:
            stopping.set()
        raise KeyError("x")

    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(gate.reconciler, "step", step)
    gate.reconciler.run(stopping)
    assert stopping.is_set()


def test_a_gate_that_stops_begins_nothing(gate: Gate) -> None:
    gate.keep("pytorch")
    gate.reconciler.step()
    gate.reconciler.let_go()
    gate.reconciler.join(10)
    gate.keep("pytorch", "onnx")
    gate.reconciler.step()
    assert gate.served == ["pytorch"]
