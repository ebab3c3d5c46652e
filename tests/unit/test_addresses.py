"""`HOST` may be any address, IPv6 too: how it is read, and how each program and each URL then writes it."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.addresses import Addresses, parse_ports, reachable
from server.backend_addresses import addresses, pytorch_url
from server.backends.client import BackendClient
from server.http.listener import _bind
from server.preflight import run_checks
from server.settings import Settings, SettingsError, load_settings
from server.triton.arguments import arguments


@pytest.mark.parametrize(
    ("given_host", "host", "url", "triton", "grpc"),
    [
        ("127.0.0.1", "127.0.0.1", "http://127.0.0.1:8010", "127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1", "http://127.0.0.1:8010", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0", "http://127.0.0.1:8010", "0.0.0.0", "0.0.0.0"),
        ("::1", "::1", "http://[::1]:8010", "ipv6:::1", "[::1]"),
        ("[::1]", "::1", "http://[::1]:8010", "ipv6:::1", "[::1]"),
        ("::", "::", "http://[::1]:8010", "ipv6:::", "[::]"),
        ("[::]", "::", "http://[::1]:8010", "ipv6:::", "[::]"),
        ("0:0:0:0:0:0:0:1", "::1", "http://[::1]:8010", "ipv6:::1", "[::1]"),
        ("::ffff:10.0.0.1", "10.0.0.1", "http://10.0.0.1:8010", "10.0.0.1", "10.0.0.1"),
        ("2001:DB8::7", "2001:db8::7", "http://[2001:db8::7]:8010", "ipv6:2001:db8::7", "[2001:db8::7]"),
    ],
)
def test_every_way_to_write_an_address_works(
    monkeypatch: pytest.MonkeyPatch, given_host: str, host: str, url: str, triton: str, grpc: str
) -> None:
    monkeypatch.setenv("HOST", given_host)
    settings = load_settings()
    assert settings.host == host
    onnx = addresses(settings)["onnx"]
    assert onnx.url == url
    assert onnx.grpc_url == url.removeprefix("http://").replace("8010", "8011")
    assert pytorch_url(settings) == url.replace("8010", "8002")
    words = arguments(onnx, settings, repository=Path("/r"), backends=Path("/b"), known=frozenset())
    assert f"--http-address={triton}" in words
    assert f"--metrics-address={triton}" in words
    assert f"--grpc-address={grpc}" in words


def test_protected_metrics_stay_on_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "key")
    settings = Settings(host="::")
    words = arguments(
        addresses(settings)["onnx"], settings, repository=Path("/r"), backends=Path("/b"), known=frozenset()
    )
    assert "--metrics-address=127.0.0.1" in words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("gpu.example", "HOST='gpu.example': is no IP address; give one, such as 127.0.0.1, 0.0.0.0, ::1 or ::"),
        ("127.1", "is no IP address"),
        ("[::1", "is no IP address"),
        ("::1:8002:x", "is no IP address"),
        ("fe80::1%eth0", "names an interface, which Triton cannot bind"),
    ],
)
def test_what_triton_would_bind_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, words: str) -> None:
    monkeypatch.setenv("HOST", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert words in str(caught.value)


USUAL_PORTS = {value for name, value in Settings() if name.endswith("_port")}


@given(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(1, 65535).filter(lambda port: port not in USUAL_PORTS),  # every port must be different
)
def test_any_address_survives_a_url(address: IPv4Address | IPv6Address, port: int) -> None:
    settings = Settings(host=str(address), onnx_http_port=port, backends=("onnx",))
    parts = urlsplit(addresses(settings)["onnx"].url)
    assert parts.port == port
    reached = ip_address(parts.hostname or "")
    wanted = ip_address(settings.host)
    assert reached.is_loopback if wanted.is_unspecified else reached == wanted


@pytest.fixture
def ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no ::1 ({error.strerror})")


def test_the_gate_s_client_reaches_an_ipv6_backend(ipv6: None) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        client = BackendClient("::1", server.getsockname()[1], answer_timeout_s=0.1)
        with client, pytest.raises(TimeoutError):
            client.live()
        connection, peer = server.accept()
        connection.close()
        assert peer[0] == "::1"


@pytest.mark.parametrize("host", ["::1", "::"])
def test_port_8002_listens_there(ipv6: None, host: str) -> None:
    listener = _bind(host, 0)
    with listener, socket.create_connection(("::1", listener.getsockname()[1]), timeout=5):
        pass


def test_preflight_sees_a_taken_ipv6_port_and_an_address_of_another_machine(tmp_path: Path, ipv6: None) -> None:
    def ports(host: str, port: int) -> str:
        settings = Settings(bakeoff_home=tmp_path, host=host, backends=("pytorch",), pytorch_http_port=port)
        (found,) = [one for one in run_checks(settings) if one.subject == "ports"]
        return f"{found.level}: {found.found}; {found.remedy}"

    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        assert ports("::1", port) == (
            f"fail: {port} (PYTORCH_HTTP_PORT) in use on ::1; "
            "stop what listens there (`bakeoff down` for a stack of ours), or set another port"
        )
        assert ports("::", port).startswith(f"fail: {port} (PYTORCH_HTTP_PORT) in use on ::;")
    assert ports("2001:db8::7", port) == (
        "fail: HOST=2001:db8::7 cannot be bound: Cannot assign requested address; "
        "set HOST to an address of this machine; where it has no IPv6, 127.0.0.1 or 0.0.0.0"
    )


def test_the_benchmark_reaches_an_ipv6_stack_here_and_elsewhere() -> None:
    assert reachable("http://[::1]:8010", "http://[::1]:8002", {}) == "http://[::1]:8010"
    assert reachable("http://[::1]:8010", "http://gpu.example:8002", {}) == "http://gpu.example:8010"
    ports = parse_ports(["8010=[2001:db8::7]:40010"], "http://[::1]:8002")
    addresses = Addresses("http://[::1]:8002", ports)
    assert addresses.http("onnx", "http://[::1]:8010") == "http://[2001:db8::7]:40010"
    assert addresses.grpc("[::1]:8011") == "[::1]:8011"
