"""One stack for the whole session; tests that harm it leave it ready again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tritonclient import http

from server.model.reference import Reference
from tests.stack.stack import RunningStack, start

SHIFT = 20_000


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    running = start(tmp_path_factory.mktemp("stack") / "home", SHIFT)
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
