"""The image as Vast.ai's SSH launch mode runs it: as root, something else in the entrypoint's place, onstart.sh pasted in."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.podman import LIMITS, podman

ONSTART = Path(__file__).parents[2] / "deploy" / "vast" / "onstart.sh"
NAME = "bakeoff-test-onstart"
pytestmark = pytest.mark.timeout(900)


def shell(command: str, timeout: float = 60) -> str:
    """Run a command as an SSH session does: a login of root, which sees nothing of the container's environment."""
    login = ["env", "-i", "su", "-", "root", "-c", command]
    answer = podman("exec", NAME, *login, timeout=timeout, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def instance(image: str) -> Iterator[None]:
    podman("rm", "--force", "--volumes", NAME, check=False)
    podman(
        "run", "--detach", "--name", NAME, "--network", "none", *LIMITS, "--user", "root", "--entrypoint", "sleep",
        "--env", "MAX_BATCH_SIZE=16", "--env", "BACKENDS=pytorch,onnx", "--env", "VAST_TCP_PORT_8002=40123",
        "--env", "WARMUP_MAX_BATCH=2",
        image, "infinity",
    )  # fmt: skip
    try:
        started = subprocess.run(
            ["podman", "--runtime", "runc", "exec", "--interactive", NAME, "sh"],
            input=ONSTART.read_text(encoding="utf-8"), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert started.returncode == 0, started.stderr
        yield
    finally:
        podman("rm", "--force", "--volumes", "--time", "0", NAME, check=False)


def test_it_becomes_ready_and_shells_can_follow(instance: None) -> None:
    shell("bakeoff status --wait", timeout=300)
    shell("bakeoff health")
    assert shell("cat /var/lib/bakeoff/bakeoff.log").splitlines().count("bakeoff: ready") == 1


def test_shells_see_the_settings(instance: None) -> None:
    assert shell('echo "$MAX_BATCH_SIZE $BAKEOFF_HOME $HOST $VAST_TCP_PORT_8002"').strip() == (
        "16 /var/lib/bakeoff 0.0.0.0 40123"
    )


def test_what_is_served_is_not_root(instance: None) -> None:
    users = podman("top", NAME, "huser,args").stdout.splitlines()[1:]
    # "?" is a process that ended while it was looked at
    assert {line.split()[0] for line in users if "sleep" not in line} - {"?"} == {"10001"}
