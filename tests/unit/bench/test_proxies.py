"""A stack on this machine is never asked through a proxy; one elsewhere is where the environment names one."""

import base64
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from bench.addresses import Addresses
from bench.client.bodies import make_body
from bench.client.connections import connect
from bench.client.endpoint import Endpoint
from bench.control import Control
from bench.errors import BenchError
from bench.null_server import NullServer
from bench.photos import Photo
from bench.proxies import get, proxy_for
from bench.scenarios import Transport
from bench.slow_links import open_links
from bench.startup import _ready
from bench.targets import discover, server_gpus
from bench.wan import Unavailable
from bench.watch import Watch
from server.backend_addresses import addresses
from server.backends.client import BackendClient
from server.console.trial import Trial
from server.gate.sampler import Sampler
from server.home import PHOTOS
from server.processes.supervisor import environment
from server.settings import Settings
from tests.doubles.forward_proxy import ForwardProxy, forward_proxy
from tests.doubles.running import RunningServer, sleeping_server

PHOTO = Photo("a", b"", np.zeros((3, 224, 224), np.uint8))
ELSEWHERE = "gpu.example"
VARIABLES = [
    each for name in ("http", "https", "all", "no", "grpc") for each in (f"{name}_proxy", f"{name}_PROXY".upper())
]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with sleeping_server(mean_ms=1, name="onnx") as running:
        yield running


@pytest.fixture(scope="module")
def null() -> Iterator[Endpoint]:
    with NullServer(1) as running:
        yield running.endpoint


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ForwardProxy]:
    with forward_proxy() as running:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "grpc_proxy"):
            monkeypatch.setenv(name, running.url)
        yield running


def elsewhere(url: str) -> str:
    return url.replace("127.0.0.1", ELSEWHERE)


def embed(endpoint: Endpoint, transport: Transport) -> None:
    connection = connect(endpoint, transport)
    try:
        for _ in range(2):
            assert connection.decode(connection.send(make_body("pixels", transport, [PHOTO])), 1).shape == (1, 512)
    finally:
        connection.close()


def test_the_benchmark_asks_a_stack_here_directly(server: RunningServer, null: Endpoint, proxy: ForwardProxy) -> None:
    for host in ("127.0.0.1", "localhost"):
        addresses = Addresses(server.url.replace("127.0.0.1", host))
        assert discover(addresses).ready
        assert server_gpus(addresses) == ()
        with Watch(addresses) as watch, Control("onnx", Endpoint(addresses.ready_url, timeout_s=5)) as control:
            assert watch.change("onnx") is None
            assert control.server().startswith("clip-bakeoff ")
            assert control.counters("pixels")
            assert control.embed("pixels", [PHOTO]).shape == (1, 512)
    assert _ready(f"{server.url}/ready")
    embed(null, "http")
    embed(null, "grpc")
    assert proxy.asked == []


@pytest.mark.parametrize("url", ["http://127.0.0.7:1", "http://[::1]:1", "http://localhost:1", "http://0.0.0.0:1"])
def test_this_machine_s_own_addresses_have_no_proxy(proxy: ForwardProxy, url: str) -> None:
    assert proxy_for(url) is None
    assert proxy_for(f"http://{ELSEWHERE}:1") is not None


def test_the_benchmark_asks_a_stack_elsewhere_through_the_proxy(
    server: RunningServer, null: Endpoint, proxy: ForwardProxy
) -> None:
    addresses = Addresses(elsewhere(server.url))
    (target,) = discover(addresses).ready
    assert target.url == addresses.ready_url
    with Control("onnx", Endpoint(target.url)) as control:
        assert control.server().startswith("clip-bakeoff ")
    assert null.grpc is not None
    embed(Endpoint(elsewhere(null.url), elsewhere(null.grpc)), "http")
    embed(Endpoint(elsewhere(null.url), elsewhere(null.grpc)), "grpc")
    asked = {url.removeprefix("http://") for url in (addresses.ready_url, elsewhere(null.url))}
    assert {address for method, address in proxy.asked if method in ("GET", "POST")} == asked
    assert {address for method, address in proxy.asked if method == "CONNECT"} == {elsewhere(null.grpc)}


def test_a_proxy_s_name_and_password_are_sent_to_it_over_http_and_grpc(
    null: Endpoint, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:pa%40ss@"))
    assert null.grpc is not None
    embed(Endpoint(elsewhere(null.url), elsewhere(null.grpc)), "http")
    embed(Endpoint(elsewhere(null.url), elsewhere(null.grpc)), "grpc")
    assert proxy.credentials == {f"Basic {base64.b64encode(b'me:pa@ss').decode()}"}


def test_a_host_in_no_proxy_is_reached_directly(
    server: RunningServer, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", f"other.example,{ELSEWHERE}")
    with pytest.raises(httpx.ConnectError):
        get(f"{elsewhere(server.url)}/ready", {}, 5)
    assert proxy.asked == []


def test_a_proxy_that_is_none_of_http_s_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://proxy.example:1080")
    with pytest.raises(
        BenchError, match=r"no http://HOST:PORT \(socks5://...\); set another, or name the host in no_proxy"
    ):
        proxy_for(f"http://{ELSEWHERE}:8002")
    assert proxy_for("http://127.0.0.1:8002") is None


def test_no_slow_link_stands_before_a_proxy(proxy: ForwardProxy) -> None:
    with pytest.raises(Unavailable, match="onnx is reached through a proxy"):
        open_links({"onnx": Endpoint(f"http://{ELSEWHERE}:8010")}, None)  # type: ignore[arg-type]


async def test_the_gate_and_the_clients_of_8002_ask_the_backends_directly(
    server: RunningServer, proxy: ForwardProxy, tmp_path: Path
) -> None:
    port = int(server.url.rpartition(":")[2])
    settings = Settings(bakeoff_home=tmp_path, onnx_http_port=port, onnx_metrics_port=1, backends="onnx")
    table = addresses(settings)
    (backend,) = table.values()
    with BackendClient(backend.host, port) as client:
        assert client.live()
    moments = iter([False, True])  # one look, and the gate stops
    stopping = SimpleNamespace(wait=lambda _: next(moments))
    Sampler(lambda: [backend], SimpleNamespace(add=lambda *_: None), stopping).run()  # type: ignore[arg-type]
    trial = Trial(table)
    found = await trial.embed((PHOTOS / "cat.jpg").read_bytes(), ["onnx"], {}, "1")
    await trial.close()
    assert "embedding" in found["onnx"], found
    assert proxy.asked == []


def test_the_programs_of_a_stack_reach_this_machine_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collectors of traces on loopback: what exports to them is not ours, in Python and in tritonserver."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "intern.example")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    told = environment(Settings(host="192.0.2.7"))
    assert told["no_proxy"] == told["NO_PROXY"] == "intern.example,localhost,127.0.0.1,::1,192.0.2.7"
