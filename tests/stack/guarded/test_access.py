"""A stranger gets liveness and nothing else, from any port; whoever has a key is served by all backends alike."""

import re
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from tritonclient import grpc, http
from tritonclient.utils import InferenceServerException

from bench.addresses import Addresses
from bench.client.bodies import make_body
from bench.client.connections import RefusedError, connect
from bench.client.endpoint import Endpoint
from bench.photos import Photo
from bench.scenarios import Transport
from server.keys import ADMIN_VARIABLE, STACK_KEY_VARIABLE
from server.model.reference import Reference
from tests.chaos import network
from tests.stack.guarded.conftest import KEYS
from tests.stack.stack import ROW_TOLERANCE, RunningStack
from tests.strangers import near_keys, strangers

PIXELS = "openclip_vit_b32"
SERVICE = [
    ("GET", "/v2"),
    ("GET", f"/v2/models/{PIXELS}"),
    ("GET", f"/v2/models/{PIXELS}/config"),
    ("GET", f"/v2/models/{PIXELS}/stats"),
    ("POST", f"/v2/models/{PIXELS}/infer"),
]
ADMINISTRATION = [
    ("POST", "/v2/repository/index"),
    ("POST", f"/v2/repository/models/{PIXELS}/load"),
    ("POST", f"/v2/repository/models/{PIXELS}/unload"),
    ("GET", "/v2/systemsharedmemory/status"),
    ("POST", "/v2/systemsharedmemory/region/x/register"),
    ("GET", "/v2/cudasharedmemory/status"),
    ("POST", "/v2/cudasharedmemory/region/x/register"),
    ("GET", "/v2/trace/setting"),
    ("POST", "/v2/trace/setting"),
    ("GET", "/v2/logging"),
    ("POST", "/v2/logging"),
]
STRANGERS = strangers(KEYS)
TRITONS_STRANGERS = STRANGERS | {"second key": {"Authorization": f"Bearer {KEYS[1]}"}}


def ask(stack: RunningStack, backend: str, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    body = "{}" if method == "POST" else None
    return httpx.request(method, f"{stack.url(backend)}{path}", headers=headers, content=body)


@pytest.mark.parametrize("path", ["/health", "/healthz", "/v2/health/live"])
def test_liveness_is_for_everybody(guarded: RunningStack, path: str) -> None:
    assert httpx.get(f"{guarded.url()}{path}").status_code == 200


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/guide/readiness.md"])
def test_the_page_without_its_figures_is_for_everybody(guarded: RunningStack, path: str) -> None:
    assert httpx.get(f"{guarded.url()}{path}").status_code == 200


def test_the_page_reaches_every_backend_with_the_key(guarded: RunningStack, reference: Reference) -> None:
    answer = httpx.post(f"{guarded.url()}/try", content=reference.files[0], headers=guarded.headers, timeout=60)
    found = answer.json()["backends"]
    assert set(found) == {"pytorch", "onnx"}
    for each in found.values():
        np.testing.assert_allclose(each["embedding"], reference.embeddings[0], atol=ROW_TOLERANCE)
    history = httpx.get(f"{guarded.url()}/live", headers=guarded.headers).json()["history"]
    assert all(any(look is not None for look in looks["waiting"]) for looks in history["backends"].values()), history


@pytest.mark.parametrize("headers", STRANGERS.values(), ids=STRANGERS)
def test_everything_else_on_8002_asks_for_a_key(guarded: RunningStack, headers: dict[str, str]) -> None:
    document = httpx.get(f"{guarded.url()}/openapi.json", headers=guarded.headers).json()
    paths = [path.format(model=PIXELS, version=1) for path in document["paths"]]
    paths += ["/docs", "/openapi.json", "/metrics", "/page/nothing.js", "/nothing", f"/v2/models/{PIXELS}/infer"]
    for path in set(paths) - {"/health", "/healthz", "/v2/health/live"}:
        for method in ("GET", "POST"):
            answer = ask(guarded, "pytorch", method, path, headers)
            assert answer.status_code == 401, path
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("key", KEYS)
def test_each_key_opens_8002(guarded: RunningStack, key: str) -> None:
    headers = {"authorization": f"bearer {key}"}
    assert httpx.get(f"{guarded.url()}/ready", headers=headers).status_code == 200


@pytest.mark.parametrize("headers", TRITONS_STRANGERS.values(), ids=TRITONS_STRANGERS)
@pytest.mark.parametrize(("method", "path"), SERVICE)
def test_triton_serves_no_stranger(guarded: RunningStack, method: str, path: str, headers: dict[str, str]) -> None:
    assert ask(guarded, "onnx", method, path, headers).status_code == 403


def test_a_stranger_cannot_end_triton_with_deep_json(guarded: RunningStack) -> None:
    url = f"{guarded.url('onnx')}/v2/models/{PIXELS}/infer"
    assert httpx.post(url, content=b"[" * network.DEPTH).status_code == 403
    assert httpx.get(f"{guarded.url('onnx')}/v2/health/live").status_code == 200


@pytest.mark.parametrize(("method", "path"), ADMINISTRATION)
def test_tritons_administration_is_closed(guarded: RunningStack, stack: RunningStack, method: str, path: str) -> None:
    for closed, headers in ((guarded, guarded.headers), (stack, {})):
        if closed is stack and "sharedmemory" in path and closed.environment["ALLOW_SHARED_MEMORY"] == "True":
            continue
        for headers_tried in (headers, {"bakeoff-admin": "guess"}, {"bakeoff-admin": ""}):
            assert ask(closed, "onnx", method, path, headers_tried).status_code == 403
    assert ask(stack, "onnx", "GET", f"/v2/models/{PIXELS}/ready", {}).status_code == 200


def test_the_first_key_opens_every_backend(guarded: RunningStack, reference: Reference, backend: str) -> None:
    pixels = reference.pixels[:2]
    with http.InferenceServerClient(f"127.0.0.1:{guarded.ports[backend]}", network_timeout=60) as client:
        tensor = http.InferInput("image", list(pixels.shape), "UINT8")
        tensor.set_data_from_numpy(pixels)
        with pytest.raises(InferenceServerException):
            client.infer(PIXELS, [tensor])
        found = client.infer(PIXELS, [tensor], headers=dict(guarded.headers)).as_numpy("embedding")
    np.testing.assert_allclose(found, reference.embeddings[:2], atol=ROW_TOLERANCE)


def test_grpc_asks_for_the_same_key(guarded: RunningStack, reference: Reference) -> None:
    pixels = reference.pixels[:1]
    tensor = grpc.InferInput("image", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels)
    right = {"triton-grpc-protocol-authorization": f"Bearer {KEYS[0]}"}
    with grpc.InferenceServerClient(guarded.grpc) as client:
        assert client.is_server_live()
        for headers in (
            None,
            {"authorization": f"Bearer {KEYS[0]}"},
            *(
                {"triton-grpc-protocol-authorization": f"Bearer {near}"}
                for near in [*near_keys(KEYS).values(), KEYS[1]]
            ),
        ):
            with pytest.raises(InferenceServerException) as caught:
                client.infer(PIXELS, [tensor], headers=headers)
            assert "restricted" in str(caught.value)
        found = client.infer(PIXELS, [tensor], headers=right).as_numpy("embedding")
        np.testing.assert_allclose(found, reference.embeddings[:1], atol=ROW_TOLERANCE)
        calls = (
            lambda: client.load_model(PIXELS, headers=right),
            lambda: client.unload_model(PIXELS, headers=right),
            lambda: client.get_model_repository_index(headers=right),
            lambda: client.get_system_shared_memory_status(headers=right),
            lambda: client.register_system_shared_memory("x", "/x", 8, headers=right),
            lambda: client.get_cuda_shared_memory_status(headers=right),
            lambda: client.get_trace_settings(headers=right),
            lambda: client.update_trace_settings(settings={"trace_file": ["/tmp/x"]}, headers=right),
            lambda: client.get_log_settings(headers=right),
            lambda: client.update_log_settings({"log_verbose_level": 1}, headers=right),
        )
        for call in calls:
            with pytest.raises(InferenceServerException) as caught:
                call()
            assert "restricted" in str(caught.value)


@pytest.mark.parametrize(("backend", "transport"), [("pytorch", "http"), ("onnx", "http"), ("onnx", "grpc")])
def test_the_benchmarks_clients_send_the_key(
    guarded: RunningStack, reference: Reference, backend: str, transport: Transport
) -> None:
    photo = Photo("photo", reference.files[0], reference.pixels[0])
    body = make_body("encoded", transport, [photo])

    def ask(key: str) -> np.ndarray:
        headers = Addresses("http://127.0.0.1", api_key=key).headers
        connection = connect(Endpoint(guarded.url(backend), guarded.grpc, headers), transport)
        try:
            return connection.decode(connection.send(body), 1)
        finally:
            connection.close()

    np.testing.assert_allclose(ask(KEYS[0]), reference.embeddings[:1], atol=ROW_TOLERANCE)
    with pytest.raises(RefusedError):
        ask("wrong")


def test_tritons_metrics_are_for_this_machine_only(guarded: RunningStack) -> None:
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in guarded.processes()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {ip for ip, port in listening if port == 8012 + guarded.shift} == {"127.0.0.1"}


def test_the_tools_know_the_key(guarded: RunningStack) -> None:
    assert guarded.bakeoff("health").returncode == 0
    assert guarded.bakeoff("status").returncode == 0


def test_no_secret_is_shown(guarded: RunningStack) -> None:
    family = [psutil.Process(guarded.process.pid), *guarded.processes()]
    (triton,) = [process for process in family if "bin/tritonserver" in " ".join(process.cmdline())]
    secrets = [triton.environ()[ADMIN_VARIABLE], guarded.program("server.pytorch").environ()[STACK_KEY_VARIABLE]]
    assert "--http-restricted-api=(hidden)" in triton.cmdline()
    shown = [" ".join(process.cmdline()) for process in family]
    shown += [guarded.log.read_text(), httpx.get(f"{guarded.url()}/ready", headers=guarded.headers).text]
    shown += [path.read_text(errors="replace") for path in readable(guarded.home / "state")]
    for secret in (*KEYS, *secrets):
        assert not [text for text in shown if secret in text]


@pytest.mark.parametrize(
    ("variable", "expected"),
    [(ADMIN_VARIABLE, {"triton-onnx", "readiness"}), (STACK_KEY_VARIABLE, {"pytorch", "console", "readiness"})],
)
def test_a_secret_of_the_stack_is_with_those_who_need_it(
    guarded: RunningStack, variable: str, expected: set[str]
) -> None:
    programs = psutil.Process(guarded.process.pid).children()
    assert {one.environ()["SUPERVISOR_PROCESS_NAME"] for one in programs if one.environ().get(variable)} == expected


def readable(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_start_says_whether_the_ports_are_open(guarded: RunningStack, stack: RunningStack) -> None:
    assert re.search(r"access: .*asks for a key", guarded.log.read_text())
    assert re.search(r"access: no API_KEY, so the ports are open", stack.log.read_text())


def test_a_browser_gets_no_permission_unless_asked_for(guarded: RunningStack) -> None:
    headers = {**guarded.headers, "Origin": "https://example.org"}
    answer = httpx.get(f"{guarded.url()}/metrics", headers=headers)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_no_url_is_fetched_and_no_path_is_read(guarded: RunningStack) -> None:
    for text in ("http://127.0.0.1:1/x.jpg", "file:///etc/passwd", "/etc/passwd"):
        answer = httpx.post(f"{guarded.url()}/embed/base64", json={"images": [text]}, headers=guarded.headers)
        assert answer.status_code == 400
        assert "root:" not in answer.text
