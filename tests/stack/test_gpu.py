"""What only a GPU can show."""

import numpy as np
import pytest
from tritonclient import http

from server.hardware import gpus
from server.model.agreement import compare
from server.model.reference import Reference
from tests.stack.stack import PRECISION, RunningStack

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
