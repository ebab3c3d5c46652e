"""What only a GPU can show."""

import io
import random

import httpx
import numpy as np
import pytest
from PIL import Image
from tritonclient import http

from bench.server.corpus import make_corpus
from server.hardware import gpus
from server.home import PHOTOS
from server.model.agreement import compare
from server.model.reference import Reference
from tests.stack.stack import PRECISION, ROW_TOLERANCE, RunningStack
from tests.stack.test_agreement import infer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not gpus(), reason="needs an NVIDIA GPU, and the driver reports none"),
]


def test_pixels_in_gpu_memory_are_embedded_where_they_are(stack: RunningStack, reference: Reference) -> None:
    from tritonclient.utils import cuda_shared_memory as shared

    region = shared.create_shared_memory_region("pixels", reference.pixels.nbytes, 0)
    try:
        shared.set_shared_memory_region(region, [reference.pixels])
        with http.InferenceServerClient(f"127.0.0.1:{stack.ports['onnx']}") as client:
            client.register_cuda_shared_memory("pixels", shared.get_raw_handle(region), 0, reference.pixels.nbytes)
            tensor = http.InferInput("image", list(reference.pixels.shape), "UINT8")
            tensor.set_shared_memory("pixels", reference.pixels.nbytes)
            embeddings = client.infer("openclip_vit_b32", [tensor]).as_numpy("embedding")
            client.unregister_cuda_shared_memory("pixels")
    finally:
        shared.destroy_shared_memory_region(region)
    assert compare(embeddings, reference.embeddings, PRECISION).holds
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3)


def test_both_backends_compute_in_fp16_on_the_gpu(stack: RunningStack) -> None:
    for port in stack.ports.values():
        with http.InferenceServerClient(f"127.0.0.1:{port}") as client:
            parameters = client.get_model_config("openclip_vit_b32")["parameters"]
        assert parameters["precision"]["string_value"] == "fp16"


def test_photos_of_all_sizes_and_formats_are_near_their_reference(stack: RunningStack, monkeypatch) -> None:
    for name in ("BAKEOFF_HOME", "PRETRAINED"):
        monkeypatch.setenv(name, stack.environment[name])
    corpus = make_corpus(PHOTOS)
    with http.InferenceServerClient(f"127.0.0.1:{stack.ports['pytorch']}", network_timeout=120) as client:
        files = np.array(corpus.files, dtype=np.object_).reshape(-1, 1)
        found = infer(client, http, "openclip_vit_b32_encoded", "encoded_image", "BYTES", files)
    errors = np.linalg.norm(found - corpus.embeddings, axis=1) / corpus.spread
    assert errors.max() <= 0.05


def test_damaged_files_never_harm_the_next_request(stack: RunningStack, reference: Reference) -> None:
    rng = random.Random(0)
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(reference.files[0])) as image:
        image.convert("RGB").resize((640, 480)).save(buffer, "JPEG")
    url = f"{stack.url()}/embed"
    with httpx.Client(timeout=60) as client:
        for _ in range(200):
            damaged = bytearray(buffer.getvalue())
            for _ in range(rng.choice((1, 3, 10, 100))):
                damaged[rng.randrange(2, len(damaged) - 2)] = rng.randrange(256)
            assert client.post(url, content=bytes(damaged)).status_code in (200, 400)
        answer = client.post(url, content=reference.files[0]).json()
    assert np.allclose(answer["embedding"], reference.embeddings[0], atol=ROW_TOLERANCE)
