"""A stack whose folder has every awkward letter in its name, on an IPv6 address, starts, agrees, and is reached by all of our clients."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from tritonclient import grpc, http

from bench.addresses import Addresses
from bench.targets import discover
from server.backend_addresses import pytorch_url
from server.model.reference import Reference
from server.settings import Settings
from tests.stack.stack import ROW_TOLERANCE, RunningStack, same_model, start

SHIFT = 8_000
NAME = 'a b\'s "c" $HOME %(x)s %e `id` é\\ &#;[red]*?'


@pytest.fixture(scope="module")
def unusual(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no ::1 ({error.strerror})")
    folder = tmp_path_factory.mktemp("unusual") / NAME
    folder.mkdir()
    running = start(same_model(exported, folder), SHIFT, HOST="::1", BACKENDS="pytorch,onnx")
    try:
        running.wait(200)
        yield running
    finally:
        assert running.stop() == 0


def test_it_tells_addresses_that_can_be_used_as_they_are(unusual: RunningStack) -> None:
    _, document = unusual.ready()
    told = {name: (backend["url"], backend["grpc_url"]) for name, backend in document["backends"].items()}
    assert told == {
        "pytorch": (unusual.url(), None),
        "onnx": (unusual.url("onnx"), f"[::1]:{unusual.ports['onnx'] + 1}"),
    }
    for url, _ in told.values():
        assert httpx.get(f"{url}/v2/health/ready").status_code == 200
    for port in (unusual.ports["pytorch"], unusual.ports["onnx"] + 2):
        assert "nv_inference_count" in httpx.get(f"http://[::1]:{port}/metrics").text


@pytest.mark.parametrize("library", [http, grpc])
def test_triton_answers_with_the_reference_s_embeddings(
    unusual: RunningStack, reference: Reference, library: object
) -> None:
    address = f"[::1]:{unusual.ports['onnx']}" if library is http else unusual.grpc
    client = library.InferenceServerClient(address)  # type: ignore[attr-defined]
    tensor = library.InferInput("encoded_image", [1, 1], "BYTES")  # type: ignore[attr-defined]
    tensor.set_data_from_numpy(np.array([[reference.files[0]]], dtype=np.object_))
    found = client.infer("openclip_vit_b32_encoded", [tensor]).as_numpy("embedding")
    client.close()
    assert np.abs(found - reference.embeddings[:1]).max() < ROW_TOLERANCE


def test_its_verbs_find_it(unusual: RunningStack) -> None:
    assert unusual.bakeoff("health").stdout == "ready\n"
    shown = unusual.bakeoff("status")
    assert shown.returncode == 0, shown.stderr
    usual = pytorch_url(Settings(host="::1", pytorch_http_port=unusual.ports["pytorch"]))
    ready = {target.name: (target.url, target.grpc_url) for target in discover(Addresses(usual)).ready}
    assert ready == {"pytorch": (unusual.url(), None), "onnx": (unusual.url("onnx"), unusual.grpc)}


def test_a_triton_that_was_killed_comes_back_and_its_orphans_do_not_stay(unusual: RunningStack) -> None:
    triton = unusual.program("--model-repository=model_repository/onnx")
    assert Path(triton.cwd()) == unusual.home
    stubs = triton.children(recursive=True)
    assert stubs
    triton.kill()
    unusual.wait(503, 30)
    unusual.wait(200)
    assert not any(stub.is_running() and stub.status() != "zombie" for stub in stubs)
