"""One stack for the whole session; tests that harm it leave it ready again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tritonclient import http

from server.model.reference import Reference
from tests.stack.stack import PRECISION, RunningStack, start

SHIFT = 20_000

QUIET = {"CANARY_INTERVAL_S": "3600"}
"""The gate's own photos would be counted by tests that count executions."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    shared = {"ALLOW_SHARED_MEMORY": str(PRECISION == "fp16")}  # for the tests of pixels in a GPU's memory
    running = start(tmp_path_factory.mktemp("stack") / "home", SHIFT, **QUIET, **shared)
    try:
        running.wait(200)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def reference(stack: RunningStack) -> Reference:
    return Reference.load(stack.home / "weights" / "reference.npz")


@pytest.fixture(params=["pytorch", "onnx"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(stack: RunningStack, backend: str) -> Iterator[http.InferenceServerClient]:
    connection = http.InferenceServerClient(f"127.0.0.1:{stack.ports[backend]}", network_timeout=120)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def photo() -> bytes:
    return (Path(__file__).parents[2] / "photos" / "cat.jpg").read_bytes()
