"""tritonserver's command line."""

from pathlib import Path
from typing import Any

import pytest

from server.backend_addresses import addresses
from server.keys import TRITON_KEY_VARIABLE, bearer
from server.processes.segments import prefix
from server.settings import Settings
from server.triton.arguments import arguments, restrictions

KEYS = ("first-key", "second-key")
CLIENTS_HEADER = "=".join(*bearer(KEYS).items())


def command(name: str, known: frozenset[str] = frozenset(), **settings: object) -> list[str]:
    resolved = Settings(**settings)
    return arguments(addresses(resolved)[name], resolved, repository=Path("/r"), backends=Path("/b"), known=known)


def test_every_port_is_bound_to_the_address_of_the_settings() -> None:
    found = command("onnx", host="10.0.0.1", onnx_http_port=9000)
    for kind in ("http", "grpc", "metrics"):
        assert f"--{kind}-address=10.0.0.1" in found
    assert "--http-port=9000" in found
    assert "--grpc-port=8011" in found


def test_tensorrt_is_alive_before_its_engine_is_there() -> None:
    found = command("tensorrt")
    assert {"--model-control-mode=explicit", "--load-model=*", "--exit-on-error=false"} <= set(found)
    assert "--http-port=8020" in found


def test_open_connections_are_not_waited_for_longer_than_the_stop_allows() -> None:
    (option,) = [argument for argument in command("onnx", stop_timeout=9) if argument.startswith("--exit-timeout-secs")]
    assert 1 <= int(option.partition("=")[2]) < 9 - 2


def test_two_stacks_do_not_share_shared_memory() -> None:
    prefixes = {
        prefix(backend)
        for port in (8010, 9010)
        for name, backend in addresses(Settings(onnx_http_port=port)).items()
        if name != "pytorch"
    }
    assert len(prefixes) == 3


def rules(**changes: Any) -> dict[str, str]:
    """Return by API group the header that opens it over HTTP."""
    found = {}
    for argument in restrictions(Settings(**changes), "admin-secret"):
        option, _, rule = argument.partition("=")
        groups, _, header = rule.partition(":")
        if option == "--http-restricted-api":
            found |= dict.fromkeys(groups.split(","), header)
    return found


def test_administration_is_closed_key_or_no_key() -> None:
    closed = {"model-repository", "shared-memory", "trace", "logging"}
    assert rules() == dict.fromkeys(closed, "bakeoff-admin=admin-secret")
    with_key = rules(api_key=",".join(KEYS))
    assert {group for group, header in with_key.items() if header == "bakeoff-admin=admin-secret"} == closed


def test_the_header_of_our_clients_opens_the_service_and_liveness_needs_none() -> None:
    """Triton compares with the whole value, of which it has one for a group."""
    found = rules(api_key=",".join(KEYS))
    service = {group for group, header in found.items() if header == CLIENTS_HEADER}
    assert service == {"inference", "metadata", "model-config", "statistics"}
    assert "health" not in found


def test_a_triton_that_starts_again_knows_the_same_key_though_the_first_is_another_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TRITON_KEY_VARIABLE, KEYS[0])
    assert rules(api_key="new-key")["inference"] == CLIENTS_HEADER


def test_shared_memory_is_opened_by_a_setting_to_those_with_the_key() -> None:
    assert "shared-memory" not in rules(allow_shared_memory=True)
    assert rules(allow_shared_memory=True, api_key=",".join(KEYS))["shared-memory"] == CLIENTS_HEADER


def test_grpc_is_closed_as_http_is() -> None:
    found = restrictions(Settings(api_key="one"), "admin-secret")
    http = [one.replace("--http-restricted-api", "--grpc-restricted-protocol") for one in found if "http" in one]
    assert sorted(http) == sorted(one for one in found if "grpc" in one)


@pytest.mark.parametrize(("mebibytes", "limit"), [(256, 2**28), (2048, 2**31 - 1)])
def test_bodies_are_limited_as_on_8002_where_the_option_exists(mebibytes: int, limit: int) -> None:
    newer = command("onnx", frozenset({"http-max-input-size"}), max_body_mb=mebibytes)
    assert f"--http-max-input-size={limit}" in newer
    assert set(newer) - set(command("onnx", max_body_mb=mebibytes)) == {f"--http-max-input-size={limit}"}


@pytest.mark.parametrize(
    ("key", "protect", "address"), [("", True, "0.0.0.0"), ("k", True, "127.0.0.1"), ("k", False, "0.0.0.0")]
)
def test_metrics_bind_this_machine_only_where_they_are_protected(key: str, protect: bool, address: str) -> None:
    found = command("onnx", host="0.0.0.0", api_key=key, protect_metrics=protect)
    assert f"--metrics-address={address}" in found
    assert "--http-address=0.0.0.0" in found


def test_traces_are_sent_only_where_somebody_wants_them() -> None:
    def words(**settings: object) -> list[str]:
        return [word for word in command("onnx", **settings) if "trace" in word]

    assert words() == []
    wanted = words(otlp_endpoint="http://collector:4318", trace_rate=7)
    assert "--trace-config=mode=opentelemetry" in wanted
    assert "--trace-config=rate=7" in wanted
    assert "--trace-config=opentelemetry,url=http://collector:4318/v1/traces" in wanted
    assert "--trace-config=opentelemetry,resource=service.name=clip-bakeoff-onnx" in wanted
