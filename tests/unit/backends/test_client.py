"""What kind of failure an answer of a backend is."""

import numpy as np
import pytest
from geventhttpclient.response import HTTPConnectionClosed
from tritonclient.utils import InferenceServerException

from server.backends import client as module
from server.backends.client import BackendClient, BackendError, Busy, ModelLost


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InferenceServerException("Exceeds maximum queue size", "503"), Busy),
        (InferenceServerException("no answer within 60 s", "504"), Busy),
        (InferenceServerException("in ensemble 'e', Stub process 'p_0_2' is not healthy.", "500"), ModelLost),
        (InferenceServerException("CUDA failure 719", "500"), BackendError),
        (ConnectionRefusedError(111, "Connection refused"), BackendError),
    ],
)
def test_a_failure_is_of_its_kind(monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[BackendError]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with BackendClient("127.0.0.1", 1) as client:
        monkeypatch.setattr(client._client, "infer", fail)
        with pytest.raises(BackendError, match="batch of 1") as caught:
            client.embed_pixels(np.zeros((1, 3, 224, 224), np.uint8))
    assert type(caught.value) is kind


class Answers:
    """What `tritonclient` does, call by call: fails, or returns what it is asked for."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self, *_: object, **__: object) -> "Answers":
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return self

    def as_numpy(self, _: str) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return np.eye(1, 512, dtype=np.float32)


@pytest.mark.parametrize("end", [ConnectionResetError(104, "reset"), HTTPConnectionClosed("closed")])
def test_a_connection_that_ends_with_one_of_several_processes_of_a_server_is_not_the_server_s_end(
    monkeypatch: pytest.MonkeyPatch, end: Exception
) -> None:
    with BackendClient("127.0.0.1", 1) as client:
        for name, ask in (
            ("is_model_ready", client.ready),
            ("infer", lambda: client.embed_pixels(np.zeros((1, 3, 224, 224), np.uint8)).shape == (1, 512)),
        ):
            once, always = Answers(end), Answers(end, end)
            monkeypatch.setattr(client._client, name, once)
            assert ask()
            monkeypatch.setattr(client._client, name, always)
            try:
                assert not ask()
            except BackendError:
                assert name == "infer"
            assert always.calls == 2


def test_who_is_silent_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with BackendClient("127.0.0.1", 1) as client:
        monkeypatch.setattr(client._client, "is_server_live", silent := Answers(TimeoutError()))
        with pytest.raises(TimeoutError):
            client.live()
    assert silent.calls == 1


def test_a_connection_to_another_program_on_the_port_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    misdirected = InferenceServerException("this is gateway, and not 'pytorch'", "421")
    answers = Answers(misdirected, ConnectionResetError(104, "reset"), misdirected, misdirected)
    with BackendClient("127.0.0.1", 1) as client:
        monkeypatch.setattr(client._client, "infer", answers)
        assert client.embed_pixels(np.zeros((1, 3, 224, 224), np.uint8)).shape == (1, 512)
    assert answers.calls == 5


def test_another_program_that_keeps_the_port_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    misdirected = InferenceServerException("this is gateway, and not 'pytorch'", "421")
    monkeypatch.setattr(module, "MISDIRECTED_FOR_S", 0.05)
    with BackendClient("127.0.0.1", 1) as client:
        monkeypatch.setattr(client._client, "infer", Answers(*[misdirected] * 1000))
        with pytest.raises(BackendError, match="this is gateway"):
            client.embed_pixels(np.zeros((1, 3, 224, 224), np.uint8))
