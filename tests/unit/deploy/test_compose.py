"""docker-compose.yml and compose.cpu.yml, merged by what merges them here, and compared with the settings and the Dockerfile."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose, parse_duration

from server.settings import Settings

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "Dockerfile.step6a-all"
GPU = ("docker-compose.yml",)
CPU = ("docker-compose.yml", "compose.cpu.yml")
PODMAN_COMPOSE = [str(Path(sys.executable).parent / "podman-compose"), "--in-pod=false"]
# Fixed in the image, which has its own folders and weights, or published by the Compose file.
NOT_PASSED_ON = {"bakeoff_home", "baked_model", "host", "pretrained", "pretrained_fallback", "quick_gelu"}


def merged(*files: str, options: tuple[str, ...] = (), **environment: str) -> dict[str, Any]:
    """Return the files as podman-compose understands them together, with the variables filled in."""
    arguments = [each for file in files for each in ("--file", file)]
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    answer = subprocess.run(
        [*PODMAN_COMPOSE, *arguments, *options, "config"],
        cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    document: dict[str, Any] = yaml.safe_load(answer.stdout)
    return document


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return merged(*GPU, options=("--profile", "monitoring"))


@pytest.fixture(scope="module")
def service(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]["bakeoff"]
    return found


def instruction(name: str) -> str:
    """Return what the Dockerfile's last `name` says."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(rf"^{name} +(.+)$", text, re.MULTILINE)[-1]


@pytest.mark.parametrize("files", [GPU, CPU])
def test_it_follows_the_specification(files: tuple[str, ...]) -> None:
    document = merged(*files, options=("--profile", "monitoring"))
    assert PyCompose.from_yaml(yaml.safe_dump(document)).service_names() == ["bakeoff", "grafana", "prometheus"]


def test_docker_understands_it() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker with the compose plugin here")
    for files, devices in ((GPU, 1), (CPU, 0)):
        arguments = [each for file in files for each in ("--file", file)]
        answer = subprocess.run(
            [docker, "compose", *arguments, "config", "--format", "json"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        deploy = json.loads(answer.stdout)["services"]["bakeoff"].get("deploy", {})
        assert len(deploy.get("resources", {}).get("reservations", {}).get("devices", ())) == devices


def test_every_gpu_is_reserved(service: dict[str, Any]) -> None:
    assert service["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    ]


def test_the_override_takes_the_reservation_away_and_nothing_else() -> None:
    with_gpu, without = merged(*GPU)["services"]["bakeoff"], merged(*CPU)["services"]["bakeoff"]
    with_gpu.pop("deploy")
    assert without == with_gpu


def test_its_ports_are_those_of_the_settings_and_of_the_image(service: dict[str, Any]) -> None:
    ports = [Settings.model_fields[name].default for name in Settings.model_fields if name.endswith("_port")]
    assert service["ports"] == [f"{port}:{port}" for port in ports]
    assert [int(port) for port in instruction("EXPOSE").split()] == ports


def test_its_volume_is_that_of_the_image(service: dict[str, Any]) -> None:
    assert service["volumes"] == [f"bakeoff:{instruction('VOLUME')}"]


def test_it_builds_the_image(service: dict[str, Any]) -> None:
    assert Path(ROOT, service["build"]["dockerfile"]) == DOCKERFILE
    assert merged(*GPU, IMAGE="me/other:tag")["services"]["bakeoff"]["image"] == "me/other:tag"
    assert merged(*GPU, PRETRAINED="laion2b_s34b_b79k")["services"]["bakeoff"]["build"]["args"] == [
        "PRETRAINED=laion2b_s34b_b79k"
    ]


def test_it_is_stopped_only_after_it_has_drained(service: dict[str, Any]) -> None:
    grace = parse_duration(service["stop_grace_period"])
    assert Settings.model_fields["stop_timeout"].default + 2 <= grace < 20
    assert merged(*GPU, STOP_GRACE_PERIOD="40s")["services"]["bakeoff"]["stop_grace_period"] == "40s"


def test_its_health_check_is_that_of_the_image(service: dict[str, Any]) -> None:
    check = service["healthcheck"]
    said = instruction("HEALTHCHECK")
    for name in ("interval", "timeout", "start_period", "start_interval"):
        assert f"--{name.replace('_', '-')}={check[name]}" in said.split()
    assert f"--retries={check['retries']}" in said
    assert json.loads(said.partition("CMD ")[2]) == check["test"][1:]
    assert parse_duration(check["start_period"]) > Settings.model_fields["compile_timeout_s"].default


def test_settings_are_passed_on_where_they_are_set(service: dict[str, Any]) -> None:
    names = {name for name in Settings.model_fields if not name.endswith("_port")} - NOT_PASSED_ON
    assert service["environment"] == dict.fromkeys(name.upper() for name in names)


def test_it_may_do_nothing_that_it_need_not(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["shm_size"] == "1gb"


@pytest.mark.parametrize("name", ["bakeoff", "prometheus", "grafana"])
def test_no_service_has_a_capability_or_may_get_one(compose: dict[str, Any], name: str) -> None:
    assert compose["services"][name]["cap_drop"] == ["ALL"]
    assert compose["services"][name]["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode"} & set(compose["services"][name])


def test_monitoring_starts_only_when_asked_for_and_is_pinned(compose: dict[str, Any]) -> None:
    assert set(merged(*GPU)["services"]) == {"bakeoff"}
    for name in ("prometheus", "grafana"):
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", compose["services"][name]["image"])
        assert all(port.startswith("127.0.0.1:") for port in compose["services"][name]["ports"])


def test_every_file_that_is_mounted_exists(compose: dict[str, Any]) -> None:
    folders = [volume.split(":")[0] for each in compose["services"].values() for volume in each["volumes"]]
    assert [folder for folder in folders if folder.startswith("./") and not (ROOT / folder).exists()] == []
    assert {folder for folder in folders if not folder.startswith("./")} == set(compose["volumes"])
