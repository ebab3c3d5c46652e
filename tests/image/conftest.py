"""The image is built once, on a stand-in for NVIDIA's, and two containers of it serve most tests; none outlives the ring."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.model.reference import Reference
from tests.image.podman import IMAGE, READY_TIMEOUT_S, Container, podman, unavailable

ROOT = Path(__file__).parents[2]
BUILD_TIMEOUT_S = 1800


@pytest.fixture(scope="session")
def image() -> str:
    if reason := unavailable():
        pytest.skip(reason)
    built = subprocess.run(
        [ROOT / "scripts" / "image_test.sh", sys.executable, IMAGE],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    assert built.returncode == 0, built.stdout[-6000:]
    return IMAGE


@pytest.fixture(scope="package")
def container(image: str) -> Iterator[Container]:
    """A container started with nothing but published ports, watched from its start until it was healthy."""
    running = Container.run("bakeoff-test-plain", 14_000)
    deadline = time.monotonic() + READY_TIMEOUT_S
    try:
        while not (running.start and running.start[-1].probe) and time.monotonic() < deadline:
            running.start.append(running.sample())
            time.sleep(0.5)
        running.wait(200)
        yield running
    finally:
        running.remove()


@pytest.fixture(scope="package")
def reference(container: Container, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    target = tmp_path_factory.mktemp("reference") / "reference.npz"
    podman("cp", f"{container.name}:/opt/bakeoff/model/weights/reference.npz", str(target))
    return Reference.load(target)


@pytest.fixture(scope="package")
def confined(container: Container) -> Iterator[Container]:
    """As little as it can live on. Faults are tried on it: what warms two sizes is back sooner than what warms all."""
    running = Container.run(
        "bakeoff-test-confined", 14_100, "--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp",
        "--user", "54321", "--shm-size", "64m", "--cap-drop", "all", "--security-opt", "no-new-privileges",
        "--env", "WARMUP_MAX_BATCH=2",
    )  # fmt: skip
    try:
        running.wait(200)
        yield running
    finally:
        running.remove()
