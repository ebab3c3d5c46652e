from typing import Any

import httpx
import pytest

from bench import targets
from bench.addresses import Addresses
from bench.errors import BenchError


def document(**states: str) -> dict[str, Any]:
    return {
        "ready": all(state in ("ready", "skipped") for state in states.values()),
        "since": None,
        "model": {"name": "ViT-B-32", "precision": "fp16", "max_batch_size": 32},
        "backends": {
            name: {
                "state": state,
                "reason": None if state == "ready" else "no GPU",
                "timings_s": {"total": 3.5, "compiling": None},
                "elapsed_s": 3.5,
                "parity": {"pixels": {"error": 0.001, "cosine": 1.0, "error_bound": 0.01}} if name == "onnx" else None,
                "url": "http://127.0.0.1:8010",
                "grpc_url": None,
            }
            for name, state in states.items()
        },
    }


def answer(monkeypatch: pytest.MonkeyPatch, response: httpx.Response | Exception) -> list[str]:
    asked: list[str] = []

    def get(_: httpx.Client, url: str) -> httpx.Response:
        asked.append(url)
        if isinstance(response, Exception):
            raise response
        return response

    monkeypatch.setattr(httpx.Client, "get", get)
    return asked


@pytest.mark.parametrize("url", ["http://127.0.0.1:8002", "http://127.0.0.1:8002/", "http://127.0.0.1:8002/ready"])
def test_the_address_may_come_with_or_without_the_path(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    asked = answer(monkeypatch, httpx.Response(200, json=document(pytorch="ready", onnx="ready", tensorrt="skipped")))
    stack = targets.discover(Addresses(url))
    assert asked == ["http://127.0.0.1:8002/ready"]
    assert [target.name for target in stack.ready] == ["pytorch", "onnx"]
    assert (stack.targets[2].state, stack.targets[2].reason) == ("skipped", "no GPU")
    assert stack.max_batch_size == 32
    by_precision, by_the_gate = 0.02, 0.01
    assert [target.parity_bounds for target in stack.ready] == [
        {"encoded": by_precision, "pixels": by_precision},
        {"encoded": by_precision, "pixels": by_the_gate},
    ]


def test_a_stack_that_is_not_ready_is_refused_with_every_state(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, httpx.Response(503, json=document(pytorch="ready", onnx="warming", tensorrt="failed")))
    with pytest.raises(
        BenchError, match=r"pytorch is ready, onnx is warming \(no GPU\), tensorrt is failed \(no GPU\)"
    ):
        targets.discover(Addresses("http://127.0.0.1:8002"))


def test_nothing_there_says_how_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, httpx.ConnectError("refused"))
    with pytest.raises(BenchError, match=r"nothing answers at http://127.0.0.1:8002/ready .* `bakeoff up`"):
        targets.discover(Addresses("http://127.0.0.1:8002"))


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"model": {}, "backends": {"a": {}}, "ready": true}'])
def test_another_program_on_the_port_is_named_as_such(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    answer(monkeypatch, httpx.Response(200, content=body))
    with pytest.raises(BenchError, match="is another program on that port"):
        targets.discover(Addresses("http://127.0.0.1:8002"))


def test_a_stack_that_wants_a_key_says_how_to_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, httpx.Response(401))
    with pytest.raises(BenchError, match="answered 401; give its key with --api-key"):
        targets.discover(Addresses("http://127.0.0.1:8002"))


def test_a_backend_s_transports_are_those_that_the_stack_tells() -> None:
    told = document(onnx="ready", pytorch="ready")
    told["backends"]["onnx"]["grpc_url"] = "127.0.0.1:8011"
    stack = targets.parse_ready(told, Addresses("http://gpu.example:8002"))
    assert {target.name: target.transports for target in stack.targets} == {
        "onnx": ("http", "grpc"),
        "pytorch": ("http",),
    }
    assert stack.targets[0].grpc_url == "gpu.example:8011"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h:1", "http://h:1/ready"),
        ("https://h/stack/", "https://h/stack/ready"),
        ("http://h/ready", "http://h/ready"),
    ],
)
def test_readiness_is_asked_behind_a_path_too(url: str, path: str) -> None:
    assert targets.with_path(url) == path
