"""An engine is built once for what it depends on, whoever asks, and again when it has been damaged. With real builds."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from server.home import ROOT
from server.settings import Settings
from server.tensorrt import builder_process, plans
from server.tensorrt.builder_process import BuildCancelled, BuildRequest, Platform
from server.tensorrt.cache import LOG, MANIFEST, PLAN, PlanCache
from server.tensorrt.plans import ensure_plan
from tests.unit.tensorrt.conftest import Home16

PROCESS = """
import json, sys, threading
from server import logs
from server.model.artifacts import Artifact
from server.settings import Settings
from server.tensorrt.plans import ensure_plan
logs.configure("info")
root, onnx = sys.argv[1:]
engine = ensure_plan(
    Settings(bakeoff_home=root), Artifact.model_validate_json(onnx), "fp16",
    lambda progress, phase: print(phase, flush=True), threading.Event(),
)
print(engine.manifest.sha256)
"""


def test_two_processes_build_one_engine(shallow: Home16) -> None:
    command = [sys.executable, "-c", PROCESS, str(shallow.root), shallow.onnx.model_dump_json()]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)
    ]
    answers = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    phases, logs = ("".join(texts) for texts in zip(*answers, strict=True))
    assert logs.count("building with") == 1
    assert logs.count("from the cache") == 1
    assert "waiting for another process" in phases
    assert len({output.splitlines()[-1] for output, _ in answers}) == 1


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[BuildRequest]:
    """Replace the building, which other tests do for real, by a small file; return what was built."""
    built: list[BuildRequest] = []

    def build(request: BuildRequest, **_: object) -> dict[str, object]:
        built.append(request)
        request.output.write_bytes(b"plan")
        request.log.write_text("built")
        return {"tensors": [], "layers": [], "seconds": 1.0}

    monkeypatch.setattr(builder_process, "build", build)
    monkeypatch.setattr(builder_process, "describe", lambda: Platform("tensorrt", "10.3.0", "NVIDIA A100", "8.0", None))
    return built


def run(home: Home16, root: Path, **settings: object) -> Path:
    plan = ensure_plan(
        Settings(bakeoff_home=root, **settings), home.onnx, "fp16", lambda _progress, _phase: None, threading.Event()
    )
    return plan.path


def test_the_second_time_nothing_is_built(home: Home16, calls: list[BuildRequest], tmp_path: Path) -> None:
    assert run(home, tmp_path) == run(home, tmp_path)
    assert len(calls) == 1
    manifest = json.loads((tmp_path / "engines" / calls[0].output.parent.name / MANIFEST).read_text())
    assert manifest["identity"]["gpu"] == "NVIDIA A100"


@pytest.mark.parametrize("change", [{"max_batch_size": 64}, {"tensorrt_optimization_level": 5}])
def test_another_choice_is_another_engine(
    home: Home16, calls: list[BuildRequest], tmp_path: Path, change: dict[str, int]
) -> None:
    assert run(home, tmp_path) != run(home, tmp_path, **change)
    assert len(calls) == 2


def test_another_tensorrt_is_another_engine(
    home: Home16, calls: list[BuildRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(home, tmp_path)
    monkeypatch.setattr(builder_process, "describe", lambda: Platform("tensorrt", "10.4.0", "NVIDIA A100", "8.0", None))
    assert run(home, tmp_path) != first


@pytest.mark.parametrize("name", [PLAN, MANIFEST])
@pytest.mark.parametrize("damage", ["deleted", "truncated", "changed"])
def test_damage_is_mended(home: Home16, calls: list[BuildRequest], tmp_path: Path, name: str, damage: str) -> None:
    file = run(home, tmp_path).with_name(name)
    if damage == "deleted":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-1])
    else:
        file.write_bytes(b"?" + file.read_bytes()[1:])
    assert run(home, tmp_path).read_bytes() == b"plan"
    assert len(calls) == 2


def test_what_a_killed_builder_left_is_removed(home: Home16, calls: list[BuildRequest], tmp_path: Path) -> None:
    folder = run(home, tmp_path).parent
    (folder / MANIFEST).unlink()
    (folder / f".{PLAN}.1234").write_bytes(b"half")
    run(home, tmp_path)
    assert {file.name for file in folder.iterdir()} == {PLAN, MANIFEST, LOG}


def test_waiting_for_another_builder_can_be_stopped(home: Home16, calls: list[BuildRequest], tmp_path: Path) -> None:
    key = run(home, tmp_path).parent.name
    stopping = threading.Event()

    def stop(_progress: float, phase: str) -> None:
        if "waiting for another process" in phase:
            stopping.set()

    with PlanCache(tmp_path / "engines").lock(key), pytest.raises(BuildCancelled):
        ensure_plan(Settings(bakeoff_home=tmp_path), home.onnx, "fp16", stop, stopping)


def test_the_cache_keeps_to_its_size(home: Home16, calls: list[BuildRequest], tmp_path: Path) -> None:
    first = run(home, tmp_path, engine_cache_gb=0)
    second = run(home, tmp_path, engine_cache_gb=0, max_batch_size=64)
    assert not first.exists()
    assert second.exists()
    assert plans.GB == 10**9
