"""Backends are drained side by side, each in its own way, and none for longer than there is time."""

import threading
import time
from types import SimpleNamespace

import pytest

from server.backend_addresses import BackendAddress, addresses
from server.backends import pytorch, triton
from server.backends.client import BackendError
from server.backends.interface import Backend
from server.backends.pytorch import PyTorchBackend
from server.backends.triton import TritonBackend
from server.gate.drain import drain
from server.hardware import Hardware
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.settings import Settings

TABLE = addresses(Settings())
HARDWARE = Hardware("cpu", "fp32", "cpu", 1, 1, 1, 1, ())


class Client:
    """A Triton that takes `looks` looks to finish what a model has; takes note of what it is told."""

    def __init__(self, looks: float = 2) -> None:
        self.told: list[str] = []
        self._looks = looks

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def unload(self, model: str) -> None:
        self.told.append(model)
        self._left = self._looks

    def serving(self, _model: str) -> bool:
        self._left -= 1
        return self._left > 0


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(triton, "kill_program", names.append)
    return names


def connected(monkeypatch: pytest.MonkeyPatch, client: Client) -> Backend:
    monkeypatch.setattr(triton, "connect", lambda _address, _seconds: client)
    return TritonBackend(TABLE["onnx"])


def test_a_triton_finishes_both_models_and_is_ended(monkeypatch: pytest.MonkeyPatch, killed: list[str]) -> None:
    client = Client()
    connected(monkeypatch, client).drain(time.monotonic() + 10)
    assert client.told == [ENCODED_MODEL, PIXEL_MODEL]
    assert killed == ["triton-onnx"]


def test_one_that_does_not_finish_in_time_is_left_to_supervisord(
    monkeypatch: pytest.MonkeyPatch, killed: list[str]
) -> None:
    client = Client(looks=float("inf"))
    connected(monkeypatch, client).drain(time.monotonic() + 0.1)
    assert client.told == [ENCODED_MODEL]
    assert killed == []


def test_one_that_does_not_answer_is_left_to_supervisord(monkeypatch: pytest.MonkeyPatch, killed: list[str]) -> None:
    def refuse(address: BackendAddress, _seconds: float) -> Client:
        raise BackendError(f"{address.name}: connection refused")

    monkeypatch.setattr(triton, "connect", refuse)
    TritonBackend(TABLE["onnx"]).drain(time.monotonic() + 10)
    assert killed == []


def test_the_pytorch_server_is_told_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    process, waited = SimpleNamespace(), []
    told: list[str] = []
    monkeypatch.setattr(pytorch, "stop_program", lambda name: told.append(name) or process)
    monkeypatch.setattr(pytorch.psutil, "wait_procs", lambda processes, timeout: waited.append((processes, timeout)))
    PyTorchBackend(TABLE["pytorch"], HARDWARE).drain(time.monotonic() + 10)
    assert told == ["pytorch"]
    ((processes, seconds),) = waited
    assert processes == [process]
    assert 5 < seconds <= 10


def test_all_are_drained_at_once_and_what_takes_too_long_is_not_waited_for() -> None:
    met = threading.Barrier(2)
    never = threading.Event()
    quick = [SimpleNamespace(drain=lambda _deadline: met.wait(10)) for _ in range(2)]
    endless = SimpleNamespace(drain=lambda _deadline: never.wait(30))
    began = time.monotonic()
    drain([*quick, endless], 0.5)  # type: ignore[list-item]
    assert not met.broken
    assert time.monotonic() - began < 10
    never.set()


def test_a_triton_that_finishes_goes_on_running(monkeypatch: pytest.MonkeyPatch, killed: list[str]) -> None:
    client = Client()
    assert connected(monkeypatch, client).finish(time.monotonic() + 10)
    assert client.told == [ENCODED_MODEL, PIXEL_MODEL]
    assert killed == []


def test_one_that_did_not_finish_says_so(monkeypatch: pytest.MonkeyPatch, killed: list[str]) -> None:
    assert not connected(monkeypatch, Client(looks=float("inf"))).finish(time.monotonic() + 0.1)


def test_the_pytorch_server_finishes_when_it_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pytorch, "stop_program", lambda _: pytest.fail("it goes on running"))
    assert not PyTorchBackend(TABLE["pytorch"], HARDWARE).finish(time.monotonic() + 10)
