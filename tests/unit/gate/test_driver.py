"""When a backend is no longer ready, and when its program is killed: it is silent, hangs, is wrong, or fails for too long."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from server.backend_addresses import addresses
from server.backends.interface import Stopping
from server.backends.triton import TritonBackend
from server.gate import driver as module
from server.gate.board import Board
from server.gate.driver import Driver
from server.model.reference import Reference
from server.settings import Settings

REFERENCE = Reference([b"a", b"b"], np.zeros((2, 3, 224, 224), np.uint8), np.eye(2, 512, dtype=np.float32))


class FakeClient:
    """A backend of whom everything is told by attributes."""

    silent = False
    is_ready = True
    batches: Callable[[], int] = staticmethod(lambda: 7)

    def __enter__(self) -> "FakeClient":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def live(self) -> bool:
        if self.silent:
            raise TimeoutError
        return self.is_ready

    ready = live

    def executions(self) -> int:
        return self.batches()


class FakeCanary:
    """A photo whose fate is told by attributes."""

    problem: str | None = None
    incurable = False
    waiting_s = 0.0

    def __enter__(self) -> "FakeCanary":
        return self

    def __exit__(self, *_: object) -> None:
        return


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(module, "kill_program", lambda name: names.append(name) or True)
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    return names


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> FakeCanary:
    one = FakeCanary()
    monkeypatch.setattr(module, "Canary", lambda *_, **__: one)
    return one


@pytest.fixture
def driver(tmp_path: Path, client: FakeClient, monkeypatch: pytest.MonkeyPatch) -> Driver:
    settings = Settings(probe_interval_s=0.01, hang_timeout_s=0.3, load_timeout_s=1)
    table = addresses(settings)
    board = Board(tmp_path / "ready.json", {}, list(table.values()))
    hardware = SimpleNamespace(precision="fp32", decode="cpu", warmup_max_batch=2)
    one = Driver(TritonBackend(table["onnx"]), board, settings, hardware, REFERENCE)  # type: ignore[arg-type]
    monkeypatch.setattr(one, "_client", lambda *_: client)
    return one


def test_a_backend_that_stops_answering_is_brought_up_again(
    driver: Driver, client: FakeClient, canary: FakeCanary, killed: list[str]
) -> None:
    client.is_ready = False
    assert "stopped answering" in driver._watch()
    assert killed == []


def test_one_that_answers_and_has_lost_its_model_is_not_said_to_be_silent(
    driver: Driver, client: FakeClient, canary: FakeCanary, killed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ready", lambda: False)
    assert driver._watch() == "it answers, but has no model loaded any more"
    assert killed == []


def test_one_that_is_silent_is_not_ready_at_once(
    driver: Driver, client: FakeClient, canary: FakeCanary, killed: list[str]
) -> None:
    client.silent = True
    assert "has not answered" in driver._watch()


def test_one_that_stays_silent_is_killed_long_before_its_time_to_load_is_over(
    driver: Driver, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[str] = []

    def kill(name: str) -> bool:
        killed.append(name)
        client.silent = False  # the new process answers
        return True

    monkeypatch.setattr(module, "kill_program", kill)
    client.silent = True
    driver._wait_for(client.live, time.monotonic() + 20, "did not start to answer")
    assert killed == ["triton-onnx"]


def test_one_that_is_silent_for_less_than_the_time_to_hang_is_left_alone(
    driver: Driver, killed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_settings", driver._settings.model_copy(update={"hang_timeout_s": 30}))
    answers = iter([TimeoutError(), TimeoutError(), None])

    def live() -> bool:
        if answer := next(answers):
            raise answer
        return True

    driver._wait_for(live, time.monotonic() + 20, "did not start to answer")
    assert killed == []


def test_one_that_has_no_open_port_yet_is_killed_only_when_its_time_to_load_is_over(
    driver: Driver, client: FakeClient, killed: list[str]
) -> None:
    client.is_ready = False
    asked: list[int] = []

    def live() -> bool:
        asked.append(len(killed))
        return client.live()

    with pytest.raises(TimeoutError, match=r"did not start to answer within 1 s \(LOAD_TIMEOUT_S\)"):
        driver._wait_for(live, time.monotonic() + 0.5, "did not start to answer")
    assert set(asked) == {0}
    assert killed == ["triton-onnx"]


@pytest.mark.parametrize(("wrong", "then"), [(True, ["triton-onnx"]), (False, [])], ids=["wrong", "error"])
def test_a_photo_with_a_problem_ends_readiness_and_a_wrong_one_the_program(
    driver: Driver, canary: FakeCanary, killed: list[str], wrong: bool, then: list[str]
) -> None:
    canary.problem, canary.incurable = "embedding of pixels is not that of the reference", wrong
    assert driver._watch() == canary.problem
    assert killed == then


class FakeProcesses:
    """Of models; one has ended."""

    def __init__(self, look: Callable[[], object] = lambda: None) -> None:
        self._look = look

    def one_has_ended(self) -> bool:
        self._look()
        return True


def test_one_whose_model_has_lost_a_process_is_killed(
    driver: Driver, canary: FakeCanary, killed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_processes", FakeProcesses())
    assert module.LOST_PROCESS in driver._watch()
    assert killed == ["triton-onnx"]


def test_one_whose_models_are_unloaded_at_a_stop_is_left_alone(
    driver: Driver, canary: FakeCanary, killed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_processes", FakeProcesses(driver._stopping.set))
    with pytest.raises(Stopping):
        driver._watch()
    assert killed == []


def test_one_that_computes_nothing_while_a_photo_waits_is_killed(
    driver: Driver, canary: FakeCanary, killed: list[str]
) -> None:
    canary.waiting_s = 60.0
    assert "hung" in driver._watch()
    assert killed == ["triton-onnx"]


def test_one_that_is_only_busy_is_left_alone(
    driver: Driver, client: FakeClient, canary: FakeCanary, killed: list[str]
) -> None:
    canary.waiting_s = 60.0
    started = time.monotonic()

    def counting() -> int:
        if time.monotonic() - started > 1:
            client.is_ready = False
        return int((time.monotonic() - started) * 20)

    client.batches = counting  # type: ignore[method-assign]
    assert "stopped answering" in driver._watch()
    assert killed == []


def test_one_whose_decoders_are_busy_is_left_alone(
    driver: Driver, client: FakeClient, canary: FakeCanary, killed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    canary.waiting_s = 60.0
    started = time.monotonic()

    def decoding_s(program: str) -> float:
        if time.monotonic() - started > 1:
            client.is_ready = False
        return time.monotonic()

    monkeypatch.setattr(module, "decoding_s", decoding_s)
    assert "stopped answering" in driver._watch()
    assert killed == []


def test_one_that_was_ready_and_keeps_failing_is_killed_after_a_while(driver: Driver, killed: list[str]) -> None:
    driver._fail("never was ready: restarting would not help")
    assert killed == []
    driver._unwell_since = time.monotonic() - 0.1
    driver._fail("wrong")
    assert killed == []
    driver._unwell_since = time.monotonic() - 1
    driver._fail("still wrong")
    assert killed == ["triton-onnx"]
