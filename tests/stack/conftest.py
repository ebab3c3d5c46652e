"""One exported model for all stacks, and one stack for most tests; those that harm it leave it ready again."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from tritonclient import http

from server.hardware import gpus
from server.model.reference import Reference
from tests import priority
from tests.stack.stack import PRECISION, ROOT, RunningStack, same_model, start

SHIFT = 20_000

TENSORRT_DOUBLE = Path(__file__).parent / "tensorrt_double"

QUIET = {"CANARY_INTERVAL_S": "3600"}
"""The gate's own photos would be counted by tests that count executions."""


@pytest.fixture(scope="module")
def first() -> Iterator[None]:
    with priority.first():
        yield


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a BAKEOFF_HOME with the random model in it, made once for the workers of a run."""
    run = tmp_path_factory.getbasetemp()
    run = run.parent if "PYTEST_XDIST_WORKER" in os.environ else run
    home = run / "exported"
    with FileLock(run / "exported.lock"):
        if not (home / "model.json").exists():
            environment = {**os.environ, "BAKEOFF_HOME": str(home), "PRETRAINED": "random"}
            subprocess.run(
                [sys.executable, "-m", "bakeoff", "export"], cwd=ROOT, env=environment, check=True, timeout=280
            )
    return home


@pytest.fixture(scope="session")
def stack(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Start a stack as it is by default: it warms every size."""
    shared = {"ALLOW_SHARED_MEMORY": str(PRECISION == "fp16")}  # for the tests of pixels in a GPU's memory
    home = same_model(exported, tmp_path_factory.mktemp("stack"))
    running = start(home, SHIFT, WARMUP_MAX_BATCH="0", **QUIET, **shared)
    try:
        running.wait(200)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def reference(exported: Path) -> Reference:
    return Reference.load(exported / "weights" / "reference.npz")


@pytest.fixture(scope="session")
def onnx_alone(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Start a stack whose port 8002 is the gateway's to ONNX Runtime."""
    running = start(same_model(exported, tmp_path_factory.mktemp("onnx")), 6_000, BACKENDS="onnx", **QUIET)
    try:
        running.wait(200)
        yield running
    finally:
        assert running.stop() == 0


@pytest.fixture(scope="session")
def tensorrt_alone(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Start one whose is the gateway's to the double of TensorRT."""
    if gpus():
        pytest.skip("with a GPU the real TensorRT runs, and this double must not")
    home = same_model(exported, tmp_path_factory.mktemp("tensorrt_alone"))
    running = start(home, 7_000, BACKENDS="tensorrt", PYTHONPATH=str(TENSORRT_DOUBLE), **QUIET)
    try:
        running.wait(200)
        yield running
    finally:
        running.stop()


FRONTS = {"pytorch": "stack", "gateway to onnx": "onnx_alone", "gateway to tensorrt": "tensorrt_alone"}
"""What serves port 8002, and the stack in which it does."""


@pytest.fixture(params=[*FRONTS, "onnx"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def served(request: pytest.FixtureRequest, backend: str) -> RunningStack:
    """Return the stack in which `backend` is asked."""
    found: RunningStack = request.getfixturevalue(FRONTS.get(backend, "stack"))
    return found


@pytest.fixture
def url(served: RunningStack, backend: str) -> str:
    return served.url(backend if backend in served.ports else "pytorch")


@pytest.fixture
def client(url: str) -> Iterator[http.InferenceServerClient]:
    connection = http.InferenceServerClient(url.removeprefix("http://"), network_timeout=120)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def photo() -> bytes:
    return (Path(__file__).parents[2] / "photos" / "cat.jpg").read_bytes()
