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
    answers: list[Any] = [READY, then, then]

    def get(_: httpx.Client, url: str) -> httpx.Response:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, json=answer)

    monkeypatch.setattr(httpx.Client, "get", get)
    with Watch(Addresses("http://127.0.0.1:8002")) as watch:
        assert watch.change("onnx") == says
        assert watch.change("pytorch") is None
