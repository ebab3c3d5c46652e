"""What is in the image, and what is not."""

import json

import pytest

from tests.image.podman import PORTS, podman, run_once

pytestmark = pytest.mark.timeout(1800)  # the first test builds the image


def test_its_configuration(image: str) -> None:
    found = json.loads(podman("image", "inspect", image).stdout)[0]
    config = found["Config"]
    assert config["User"] == "10001:0"
    assert config["ExposedPorts"] == {f"{port}/tcp": {} for port in PORTS}
    assert list(config["Volumes"]) == ["/var/lib/bakeoff"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["/opt/bakeoff/entrypoint.sh"]
    health = found["Healthcheck"]
    assert health["Test"] == ["CMD", "bakeoff", "health"]
    assert health["StartPeriod"] >= 1200 * 10**9  # COMPILE_TIMEOUT_S
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "clip-bakeoff"
    assert labels["org.opencontainers.image.revision"] != "unknown"
    assert labels["org.opencontainers.image.base.name"].startswith("localhost/clip-bakeoff-stand-in:")


def test_random_weights_need_an_explicit_yes(image: str) -> None:
    history = podman("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout
    assert "ENTRYPOINT" in history
    assert "ALLOW_RANDOM_WEIGHTS" not in history  # a choice of the build stage only
    assert run_once("sh", "-c", "echo $PRETRAINED").stdout.strip() == "random"


@pytest.mark.parametrize(
    ("what", "search"),
    [
        ("world-writable files", r"find / -xdev \( -type f -o -type d \) -perm -0002 -not -perm -1000"),
        ("programs that run with the rights of another user", r"find / -xdev -type f -perm /6000"),
        ("build tools", r"ls /usr/bin/gcc /usr/bin/cc /opt/uv /root/.cache/uv /opt/bakeoff/.venv/bin/uv /opt/bakeoff/.venv/bin/pip"),
        ("tests of packages", r"find /opt/bakeoff -type d -name tests"),
        ("tests, secrets, history", r"ls -d /opt/bakeoff/tests /opt/bakeoff/.git /opt/bakeoff/.env /opt/bakeoff/var"),
        ("keys", r"find / -xdev -type f \( -name '*.key' -o -name 'id_*sa' -o -name '.netrc' -o -name '.pypirc' \)"),
        ("a second tritonserver or compiler", r"ls -d /opt/bakeoff/.venv/lib/python3.*/site-packages/pytriton /opt/bakeoff/.venv/lib/python3.*/site-packages/triton"),
    ],
)  # fmt: skip
def test_what_must_not_be_there(image: str, what: str, search: str) -> None:
    found = run_once("sh", "-c", f"{search} 2>/dev/null; echo searched").stdout
    assert found == "searched\n", f"{what}: {found}"


BILL = """
import importlib.metadata, json
with open("/opt/bakeoff/sbom.cdx.json") as file:
    listed = {(each["name"], each["version"]) for each in json.load(file)["components"]}  # some twice: of either Python
found = {(each.name.lower().replace("_", "-").replace(".", "-"), each.version) for each in importlib.metadata.distributions()}
print(json.dumps(sorted(found - listed)))
print(len(found))
"""


def test_its_bill_of_materials_has_every_package_in_the_version_that_is_there(image: str) -> None:
    answer = run_once("python", "-c", BILL)
    assert answer.returncode == 0, answer.stderr
    missing, number = answer.stdout.splitlines()
    assert [name for name, _ in json.loads(missing)] == ["clip-bakeoff"]
    assert int(number) > 50


def test_no_secret_in_its_environment(image: str) -> None:
    names = {line.partition("=")[0] for line in run_once("env").stdout.splitlines()}
    assert {"PATH", "BAKEOFF_HOME"} <= names
    assert not [name for name in names if any(word in name for word in ("KEY", "TOKEN", "SECRET", "PASSWORD"))]
