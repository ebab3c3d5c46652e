"""A test double: a `tensorrt` backend for machines that cannot execute an engine. Never part of the product.

It checks that the plan is the one whose manifest lies beside it, as a real one checks what it loads, and then computes
with ONNX Runtime on the CPU what the engine would.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        plan = (Path(args["model_repository"]) / args["model_version"] / "model.plan").resolve(strict=True)
        manifest = json.loads(plan.with_name("manifest.json").read_text())
        with plan.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != manifest["sha256"]:
            raise pb_utils.TritonModelException(f"{plan} is damaged, and Triton saw it")
        graphs = json.loads(args["model_config"])["optimization"]["cuda"]["graph_spec"]
        assert max(graph["batch_size"] for graph in graphs) == manifest["identity"]["profiles"][-1][-1]
        model = Path(os.environ["BAKEOFF_HOME"]) / "onnx" / "openclip_vit_b32.fp32.onnx"
        self._session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])

    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        pixels = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
        (embeddings,) = self._session.run(["embedding"], {"image": pixels})
        return pb_utils.InferenceResponse([pb_utils.Tensor("embedding", np.ascontiguousarray(embeddings))])
