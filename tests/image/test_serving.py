"""Every port answers from outside, with the embeddings of the reference."""

import httpx
import numpy as np
import pytest
from tritonclient import grpc, http

from server.model.reference import Reference
from tests.image.podman import ROW_TOLERANCE, Container

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.parametrize("port", [8002, 8010])
def test_http(container: Container, reference: Reference, port: int) -> None:
    assert np.abs(container.embed(reference.files, port) - reference.embeddings).max() < ROW_TOLERANCE
    tensor = http.InferInput("image", list(reference.pixels.shape), "UINT8")
    tensor.set_data_from_numpy(reference.pixels)
    with http.InferenceServerClient(container.url(port), network_timeout=120) as client:
        found = client.infer("openclip_vit_b32", [tensor]).as_numpy("embedding")
    assert np.abs(found - reference.embeddings).max() < ROW_TOLERANCE


def test_grpc(container: Container, reference: Reference) -> None:
    tensor = grpc.InferInput("image", list(reference.pixels.shape), "UINT8")
    tensor.set_data_from_numpy(reference.pixels)
    with grpc.InferenceServerClient(container.url(8011)) as client:
        found = client.infer("openclip_vit_b32", [tensor]).as_numpy("embedding")
    assert np.abs(found - reference.embeddings).max() < ROW_TOLERANCE


@pytest.mark.parametrize("port", [8002, 8012])
def test_metrics(container: Container, port: int) -> None:
    answer = httpx.get(f"http://{container.url(port)}/metrics")
    assert answer.status_code == 200
    assert "# TYPE" in answer.text


def test_tensorrt_says_why_it_is_not_there(container: Container) -> None:
    document = httpx.get(f"http://{container.url(8002)}/ready").json()
    assert document["backends"]["tensorrt"]["state"] == "skipped"
    assert "GPU" in document["backends"]["tensorrt"]["reason"]
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://{container.url(8020)}/v2/health/live")
