import io
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bakeoff.cli import app
from bench.addresses import Addresses, with_mapped_ready
from bench.vast import VastError, from_environment, parse_instance, vast_ports
from tests.unit.deploy.vast_stand_in import INSTANCE, vast_stand_in

EXPECTED = {port: ("192.0.2.7", port + 32_000) for port in (8002, 8010, 8011, 8012, 8020, 8021, 8022)}
PORTS = st.integers(1, 65535)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(string.printable), inner, max_size=3),
    max_leaves=8,
)


def parse(document: Any) -> dict[int, tuple[str, int]]:
    return dict(parse_instance(json.dumps(document).encode(), "instance.json").port_map())


def test_what_the_real_command_line_prints_is_understood(tmp_path: Path) -> None:
    with vast_stand_in(tmp_path) as service:
        answer = service.vastai(["show", "instance", "4242", "--raw"], cwd=tmp_path)
    file = tmp_path / "instance.json"
    file.write_text(answer.stdout)
    assert vast_ports(str(file), 8002) == EXPECTED


def test_the_benchmark_goes_to_the_public_addresses() -> None:
    ports = parse(INSTANCE)
    addresses = Addresses(with_mapped_ready("http://127.0.0.1:8002", ports), ports)
    assert addresses.ready_url == "http://192.0.2.7:40002"
    assert addresses.http("onnx", "http://127.0.0.1:8010") == "http://192.0.2.7:40010"
    assert addresses.grpc("127.0.0.1:8021") == "192.0.2.7:40021"


def test_the_service_s_own_answer_is_understood() -> None:
    assert parse({"instances": INSTANCE}) == EXPECTED


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(INSTANCE).encode())))
    assert vast_ports("-", 8002) == EXPECTED


def test_ports_that_are_not_published_and_udp_are_left_out() -> None:
    ports = {"8002/tcp": [{"HostPort": "5"}], "8010/tcp": None, "8011/tcp": [], "8012/udp": [{"HostPort": "6"}]}
    assert parse({"public_ipaddr": " 192.0.2.7\n", "ports": ports}) == {8002: ("192.0.2.7", 5)}


def test_an_instance_s_environment_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_IPADDR", "2001:db8::1")
    monkeypatch.setenv("VAST_TCP_PORT_8002", "40002")
    monkeypatch.setenv("VAST_UDP_PORT_8010", "40010")
    assert vast_ports("env", 8002) == {8002: ("2001:db8::1", 40002)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"0 bytes that are no JSON .*; make it with: vastai show instance ID --raw"),
        ('{"instances": null}', "there is no such instance"),
        ("[]", r"the whole is \[\]: .*; expected one instance's public_ipaddr and ports"),
        ('{"success": false}', r"public_ipaddr is .*: Field required"),
        ('{"public_ipaddr": "gpu"}', r"public_ipaddr is 'gpu': .*does not appear to be an IPv4 or IPv6 address"),
        ('{"public_ipaddr": "192.0.2.7", "ports": {"8002/tcp": [{"HostPort": "x"}]}}', r"ports\.8002/tcp\.0\.HostPort is 'x'"),
        ('{"public_ipaddr": null, "ports": null, "actual_status": "loading"}', "publishes no port, not 8002; its status is loading"),
        ('{"public_ipaddr": "192.0.2.7", "ports": {"22/tcp": [{"HostPort": "9"}]}}', r"publishes 22, not 8002; .*-p 8002:8002"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_the_remedy(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "instance.json"
    file.write_text(text)
    with pytest.raises(VastError, match=message):
        vast_ports(str(file), 8002)


def test_a_missing_file_and_another_machine_s_shell_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VastError, match=r"cannot be read .*; make it with: vastai show instance ID --raw > nowhere"):
        vast_ports("nowhere", 8002)
    monkeypatch.delenv("PUBLIC_IPADDR", raising=False)
    with pytest.raises(VastError, match="PUBLIC_IPADDR is not set"):
        vast_ports("env", 8002)


@given(st.dictionaries(PORTS, PORTS), st.ip_addresses().map(str))
def test_every_published_port_is_found(ports: dict[int, int], host: str) -> None:
    expected = {inside: (host, outside) for inside, outside in ports.items()}
    published = {f"{inside}/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(port)}] for inside, port in ports.items()}
    assert parse({"public_ipaddr": host, "ports": published}) == expected
    variables = {f"VAST_TCP_PORT_{inside}": str(port) for inside, port in ports.items()}
    assert from_environment({"PUBLIC_IPADDR": host, "HOME": "/root"} | variables).port_map() == expected


@given(st.binary() | JSON.map(lambda document: json.dumps(document).encode()))
def test_anything_else_is_a_typed_error_or_no_port(text: bytes) -> None:
    try:
        assert parse_instance(text, "-").port_map() == {}
    except VastError:
        return


@given(JSON, st.sampled_from(["public_ipaddr", "ports", "8002/tcp", "HostPort"]))
def test_one_damaged_field_never_gives_a_wrong_port(value: Any, field: str) -> None:
    published = {"HostPort": value if field == "HostPort" else "40002"}
    document = {
        "public_ipaddr": value if field == "public_ipaddr" else "192.0.2.7",
        "ports": value if field == "ports" else {"8002/tcp": value if field == "8002/tcp" else [published]},
    }
    try:
        found = parse(document)
    except VastError:
        return
    assert all(1 <= port <= 65535 for _, port in found.values())
    assert set(found) <= {8002}


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_damaged_environment_is_a_typed_error(value: str) -> None:
    try:
        found = from_environment({"PUBLIC_IPADDR": value, "VAST_TCP_PORT_8002": value}).port_map()
    except VastError:
        return
    assert found == {}


def test_the_command_says_it_and_fails() -> None:
    answer = CliRunner().invoke(app, ["bench", "--vast", "nowhere"])
    assert answer.exit_code == 1
    assert "bakeoff: failed: --vast nowhere: cannot be read" in answer.output
