"""The backends give the same embeddings for the same photos, by every way in."""

import time

import numpy as np
import pytest
from tritonclient import grpc, http

from server.model.agreement import compare
from server.model.reference import Reference
from server.oip.model import ModelSpec, metadata
from server.oip.spec import model_specs
from tests.stack.stack import PRECISION, ROW_TOLERANCE, RunningStack


def infer(client, module, model: str, name: str, datatype: str, values: np.ndarray) -> np.ndarray:
    tensor = module.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return client.infer(model, [tensor]).as_numpy("embedding")


def files(reference: Reference) -> np.ndarray:
    return np.array(reference.files, dtype=np.object_).reshape(-1, 1)


def test_pixels(client: http.InferenceServerClient, reference: Reference) -> None:
    embeddings = infer(client, http, "openclip_vit_b32", "image", "UINT8", reference.pixels)
    assert compare(embeddings, reference.embeddings, PRECISION).holds
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_encoded(client: http.InferenceServerClient, reference: Reference) -> None:
    embeddings = infer(client, http, "openclip_vit_b32_encoded", "encoded_image", "BYTES", files(reference))
    assert compare(embeddings, reference.embeddings, PRECISION).holds


@pytest.mark.parametrize("size", [1, 2, 5, 11])
def test_each_row_is_its_own_at_any_batch_size(client, reference: Reference, size: int) -> None:
    embeddings = infer(client, http, "openclip_vit_b32", "image", "UINT8", reference.pixels[:size])
    np.testing.assert_allclose(embeddings, reference.embeddings[:size], atol=ROW_TOLERANCE)


def test_grpc(stack: RunningStack, reference: Reference) -> None:
    with grpc.InferenceServerClient(stack.grpc) as client:
        pixels = infer(client, grpc, "openclip_vit_b32", "image", "UINT8", reference.pixels)
        encoded = infer(client, grpc, "openclip_vit_b32_encoded", "encoded_image", "BYTES", files(reference))
    assert compare(pixels, reference.embeddings, PRECISION).holds
    assert compare(encoded, reference.embeddings, PRECISION).holds


@pytest.mark.parametrize("packed", ["gzip", "deflate"])
def test_compressed_requests(client: http.InferenceServerClient, reference: Reference, packed: str) -> None:
    tensor = http.InferInput("image", list(reference.pixels[:2].shape), "UINT8")
    tensor.set_data_from_numpy(reference.pixels[:2])
    embeddings = client.infer("openclip_vit_b32", [tensor], request_compression_algorithm=packed).as_numpy("embedding")
    np.testing.assert_allclose(embeddings, reference.embeddings[:2], atol=ROW_TOLERANCE)


@pytest.mark.parametrize("spec", model_specs(128), ids=lambda spec: spec.name)
def test_metadata_is_the_same(client: http.InferenceServerClient, spec: ModelSpec) -> None:
    document = client.get_model_metadata(spec.name)
    assert {**metadata(spec), "platform": document["platform"]} == document


def test_statistics_count_alike(client: http.InferenceServerClient, reference: Reference) -> None:
    def counts() -> tuple[int, int, int]:
        entry = client.get_inference_statistics("openclip_vit_b32")["model_stats"][0]
        return entry["inference_count"], entry["execution_count"], entry["inference_stats"]["success"]["count"]

    before = counts()
    infer(client, http, "openclip_vit_b32", "image", "UINT8", reference.pixels[:5])
    deadline = time.monotonic() + 5
    while True:  # Triton books a request after it has sent the answer
        added = tuple(after - b for after, b in zip(counts(), before, strict=True))
        if added == (5, 1, 1) or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    assert added == (5, 1, 1)
