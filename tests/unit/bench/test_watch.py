from typing import Any

import httpx
import pytest

from bench.addresses import Addresses
from bench.watch import Watch
from tests.unit.bench.test_targets import document

READY = document(pytorch="ready", onnx="ready")
WARMING = document(pytorch="ready", onnx="warming")


def restarted() -> dict[str, Any]:
    changed = document(pytorch="ready", onnx="ready")
    changed["backends"]["onnx"]["timings_s"] = {"total": 9.9}
    return changed


def watching(monkeypatch: pytest.MonkeyPatch, *answers: dict[str, Any] | Exception) -> Watch:
    """Return a watch over a stack that gives these answers in turn, the first of them to the watch's own first look."""
    left = list(answers)

    def get(_: httpx.Client, url: str) -> httpx.Response:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, json=answer)

    monkeypatch.setattr(httpx.Client, "get", get)
    return Watch(Addresses("http://127.0.0.1:8002"))


@pytest.mark.parametrize(
    ("then", "says"),
    [
        (READY, None),
        (WARMING, "the server was warming at the end of a window"),
        (restarted(), "the server was restarted during a window"),
        (httpx.ConnectError("gone"), None),
    ],
)
def test_a_change_is_noticed_for_the_backend_that_it_happened_to(
    monkeypatch: pytest.MonkeyPatch, then: dict[str, Any] | Exception, says: str | None
) -> None:
    with watching(monkeypatch, READY, then) as watch:
        assert watch.change("onnx") == says
    with watching(monkeypatch, READY, then) as watch:
        assert watch.change("pytorch") is None


def test_a_change_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with watching(monkeypatch, READY, restarted(), restarted()) as watch:
        assert watch.change("onnx") == "the server was restarted during a window"
        assert watch.change("onnx") is None


def test_a_restart_is_noticed_when_ready_could_not_be_asked_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    with watching(monkeypatch, READY, httpx.ConnectError("gone"), restarted()) as watch:
        assert watch.change("onnx") is None
        assert watch.change("onnx") == "the server was restarted during a window"
