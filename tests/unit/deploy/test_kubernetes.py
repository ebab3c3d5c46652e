"""deploy/kubernetes.yml, compared with the settings and the Dockerfile; no cluster has seen it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from server.settings import Settings
from tests.unit.deploy.test_compose import instruction

FILE = Path(__file__).parents[3] / "deploy" / "kubernetes.yml"


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    """By kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(FILE.read_text(encoding="utf-8"))}


@pytest.fixture(scope="module")
def pod(manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = manifests["Deployment"]["spec"]["template"]["spec"]
    return found


@pytest.fixture(scope="module")
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["containers"]
    return found


def test_it_may_do_nothing_that_it_need_not(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    user, _, group = instruction("USER").partition(":")
    rights = pod["securityContext"]
    assert rights["runAsNonRoot"] is True
    assert (rights["runAsUser"], rights["runAsGroup"]) == (int(user), int(group))
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


def test_it_writes_where_the_image_does(pod: dict[str, Any], container: dict[str, Any]) -> None:
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert set(mounted) == {instruction("VOLUME"), "/dev/shm", "/tmp", "/etc/bakeoff"}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(volumes) == set(mounted.values())
    assert volumes[mounted["/dev/shm"]]["emptyDir"]["medium"] == "Memory"


def test_its_ports_are_the_settings_without_the_metrics_of_triton_which_bind_the_pod_only(
    manifests: dict[str, dict[str, Any]], container: dict[str, Any]
) -> None:
    names = [name for name in Settings.model_fields if name.endswith("_port") and not name.endswith("_metrics_port")]
    ports = [Settings.model_fields[name].default for name in names]
    assert [each["containerPort"] for each in container["ports"]] == ports
    service = manifests["Service"]["spec"]
    assert [each["port"] for each in service["ports"]] == ports
    assert [each["targetPort"] for each in service["ports"]] == [each["name"] for each in container["ports"]]
    deployment = manifests["Deployment"]["spec"]
    assert service["selector"] == deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]


def test_it_asks_for_a_key_from_a_file_that_may_change(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert container["env"] == [{"name": "API_KEY_FILE", "value": "/etc/bakeoff/keys"}]
    (keys,) = [volume for volume in pod["volumes"] if volume["name"] == "keys"]
    assert keys["secret"] == {"secretName": "bakeoff-keys"}
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "keys"]
    assert "subPath" not in mount  # of which a pod never sees a change


def test_it_is_probed_as_the_image_is_and_stopped_only_after_it_has_drained(
    pod: dict[str, Any], container: dict[str, Any]
) -> None:
    for name in ("startupProbe", "readinessProbe"):
        assert container[name]["exec"]["command"] == ["bakeoff", "health"]
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] > Settings.model_fields["compile_timeout_s"].default
    assert pod["terminationGracePeriodSeconds"] >= Settings.model_fields["stop_timeout"].default + 2
