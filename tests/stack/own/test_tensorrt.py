"""The gate's whole TensorRT path with real builds and a real tritonserver, whose `tensorrt` backend is a test double."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tritonclient import http

from server.hardware import gpus
from tests.stack.conftest import TENSORRT_DOUBLE
from tests.stack.stack import RunningStack, command_line, same_model, start

pytestmark = pytest.mark.skipif(bool(gpus()), reason="with a GPU the real TensorRT runs, and this double must not")

SHIFT = 23_000
PORT = 8020 + SHIFT
MODEL = "openclip_vit_b32"


def begin(home: Path, **settings: str) -> RunningStack:
    settings = {"BACKENDS": "pytorch,tensorrt", "PROBE_INTERVAL_S": "0.2", **settings}
    return start(home, SHIFT, PYTHONPATH=str(TENSORRT_DOUBLE), **settings)


def tensorrt(stack: RunningStack) -> dict[str, Any]:
    _, document = stack.ready()
    found: dict[str, Any] = document.get("backends", {}).get("tensorrt", {})
    return found


def settle(stack: RunningStack, *states: str, timeout_s: float = 120) -> list[dict[str, Any]]:
    """Wait until the backend is in one of `states`; return what `/ready` said of it meanwhile."""
    seen: list[dict[str, Any]] = []
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := tensorrt(stack):
            seen.append(found)
            if found["state"] in states:
                return seen
        time.sleep(0.1)
    raise AssertionError(f"never {states}; the log says:\n{stack.log.read_text()[-6000:]}")


@pytest.fixture(scope="module")
def home(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return same_model(exported, tmp_path_factory.mktemp("tensorrt"))


@pytest.fixture(scope="module")
def first(home: Path) -> Iterator[tuple[RunningStack, list[dict[str, Any]]]]:
    stack = begin(home)
    try:
        yield stack, settle(stack, "ready", timeout_s=200)
    finally:
        stack.stop()


def manifests(home: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in home.glob("engines/*/manifest.json")]


def test_the_first_start_compiles_and_shows_how_far_it_is(first: tuple[RunningStack, list[dict[str, Any]]]) -> None:
    stack, seen = first
    states = [entry["state"] for entry in seen]
    order = ["starting", "loading", "compiling", "warming", "verifying", "ready"]
    assert [state for state in order if state in states] == list(dict.fromkeys(states))
    compiling = [entry for entry in seen if entry["state"] == "compiling"]
    progress = [entry["progress"] for entry in compiling]
    assert progress == sorted(progress)
    assert len(set(progress)) >= 3
    assert len({entry["phase"] for entry in compiling}) >= 3
    assert "from the cache" not in stack.log.read_text()


def test_the_engine_is_kept_with_its_manifest(first: tuple[RunningStack, list[dict[str, Any]]], home: Path) -> None:
    (manifest,) = manifests(home)
    assert manifest["identity"]["profiles"] == [[1, 8, 128], [1, 64, 128]]
    assert manifest["build_seconds"] > 0
    linked = home / "model_repository" / "tensorrt" / MODEL / "1" / "model.plan"
    assert linked.resolve().parent.name == manifest["key"]


def test_both_models_were_verified(first: tuple[RunningStack, list[dict[str, Any]]]) -> None:
    stack, _ = first
    stack.wait(200)
    parity = tensorrt(stack)["parity"]
    assert parity["pixels"]["error"] <= parity["pixels"]["error_bound"]
    assert parity["encoded"]["error"] <= parity["encoded"]["error_bound"]


def test_a_killed_triton_is_loaded_warmed_and_verified_again(
    first: tuple[RunningStack, list[dict[str, Any]]],
) -> None:
    stack, _ = first
    stack.wait(200)
    built = stack.log.read_text().count("building with")
    victim = stack.program(f"--http-port={PORT}")
    victim.kill()
    victim.wait(10)
    stack.wait(503, 30)
    stack.wait(200)
    entry = tensorrt(stack)
    assert set(entry["timings_s"]) >= {"compiling", "warming", "verifying"}
    assert entry["parity"]
    assert stack.log.read_text().count("building with") == built


def test_a_killed_triton_finds_the_engine_without_the_gate(first: tuple[RunningStack, list[dict[str, Any]]]) -> None:
    stack, _ = first
    stack.wait(200)
    gate, victim = stack.program("server.gate"), stack.program(f"--http-port={PORT}")
    gate.suspend()
    try:
        victim.kill()
        victim.wait(10)
        with http.InferenceServerClient(f"127.0.0.1:{PORT}") as client:
            assert within(60, lambda: client.is_model_ready(MODEL))
    finally:
        gate.resume()
    stack.wait(200)


def within(seconds: float, condition: Any) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except OSError:
            pass
        time.sleep(0.2)
    return False


def test_the_next_start_does_not_compile(first: tuple[RunningStack, list[dict[str, Any]]], home: Path) -> None:
    stack, _ = first
    assert stack.stop() == 0
    before = manifests(home)
    again = begin(home)
    try:
        settle(again, "ready")
    finally:
        again.stop()
    log = again.log.read_text()
    assert f"engine {before[0]['key']}: from the cache" in log
    assert "building with" not in log
    assert manifests(home) == before


def test_a_damaged_engine_is_built_again_before_triton_sees_it(
    first: tuple[RunningStack, list[dict[str, Any]]], home: Path
) -> None:
    first[0].stop()
    (manifest,) = manifests(home)
    plan = home / "engines" / manifest["key"] / "model.plan"
    with plan.open("r+b") as file:
        file.truncate(manifest["size"] // 2)
    again = begin(home)
    try:
        settle(again, "ready")
    finally:
        again.stop()
    log = again.log.read_text()
    assert f"engine {manifest['key']} is not used: it has {manifest['size'] // 2} bytes" in log
    assert "Triton saw it" not in log
    assert plan.stat().st_size == manifests(home)[0]["size"]


def test_stopping_in_the_middle_of_a_compile_leaves_nothing(
    first: tuple[RunningStack, list[dict[str, Any]]], home: Path
) -> None:
    first[0].stop()
    before = {folder.name for folder in home.glob("engines/*/")}
    stack = begin(home, MAX_BATCH_SIZE="32")
    try:
        settle(stack, "compiling")
        assert within(30, lambda: any("tensorrt/builder" in command_line(process) for process in stack.processes()))
        family = stack.processes()
        began = time.monotonic()
        assert stack.stop() == 0
    finally:
        stack.stop()
    assert time.monotonic() - began < 10
    _, alive = psutil.wait_procs(family, timeout=2)
    assert alive == []
    (folder,) = [folder for folder in home.glob("engines/*/") if folder.name not in before]
    assert "model.plan" not in [file.name for file in folder.iterdir()]


@pytest.mark.parametrize("required", ["", "pytorch"])
def test_a_compile_that_fails_keeps_the_others_only_where_it_is_required(
    first: tuple[RunningStack, list[dict[str, Any]]], home: Path, required: str
) -> None:
    first[0].stop()
    settings = {"MAX_BATCH_SIZE": "64", "COMPILE_TIMEOUT_S": "0.5", "REQUIRED_BACKENDS": required}
    stack = begin(home, **settings)
    try:
        reason = settle(stack, "failed")[-1]["reason"]
        assert "COMPILE_TIMEOUT_S" in reason
        if required:
            document = stack.wait(200)
            assert document["backends"]["tensorrt"]["state"] == "failed"
            assert stack.bakeoff("health").returncode == 0
        else:
            assert within(60, lambda: stack.ready()[1]["backends"]["pytorch"]["state"] == "ready")
            assert stack.ready()[0] == 503
    finally:
        stack.stop()
    assert ("bakeoff: failed: tensorrt: " in stack.log.read_text()) == (not required)
