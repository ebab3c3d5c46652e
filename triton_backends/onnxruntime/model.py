"""A Python-based Triton backend named `onnxruntime`, for a tritonserver that was built without the native one.

It serves `<version>/model.onnx` of any model whose `config.pbtxt` says `backend: "onnxruntime"`. Imports only the
standard library, numpy and onnxruntime.
"""

import json
import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """One instance of a model."""

    def initialize(self, args):
        """Open a session on the device that Triton gave this instance."""
        config = json.loads(args["model_config"])
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        self._on_gpu = args["model_instance_kind"] == "GPU"
        self._device_id = int(args["model_instance_device_id"] or 0)
        options = onnxruntime.SessionOptions()
        threads = config["parameters"].get("intra_op_thread_count", {}).get("string_value")
        if threads:
            options.intra_op_num_threads = int(threads)
        # Idle threads would otherwise spin and take the cores from the other backends on the same machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self._session = onnxruntime.InferenceSession(path, options, providers=self._providers())
        if self._on_gpu and self._session.get_providers()[0] != "CUDAExecutionProvider":
            raise pb_utils.TritonModelException(
                "ONNX Runtime could not load its CUDA provider; install onnxruntime-gpu and the CUDA libraries it names"
            )

    def _providers(self):
        if not self._on_gpu:
            return ["CPUExecutionProvider"]
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()  # the CUDA libraries that torch's wheels brought
        # FP32 means FP32 on every backend; TF32 would differ from the reference by more than its bound allows.
        return [("CUDAExecutionProvider", {"device_id": self._device_id, "use_tf32": 0}), "CPUExecutionProvider"]

    def execute(self, requests):
        """Run all requests of the batch at once and give each its rows."""
        sizes = []
        columns = {name: [] for name in self._inputs}
        for request in requests:
            tensors = [pb_utils.get_input_tensor_by_name(request, name) for name in self._inputs]
            for name, tensor in zip(self._inputs, tensors):
                columns[name].append(tensor.as_numpy())
            sizes.append(len(columns[self._inputs[0]][-1]))
        feeds = {name: parts[0] if len(parts) == 1 else np.concatenate(parts) for name, parts in columns.items()}
        results = self._run(feeds)
        responses, row = [], 0
        for size in sizes:
            tensors = [
                pb_utils.Tensor(name, np.ascontiguousarray(result[row : row + size]))
                for name, result in zip(self._outputs, results)
            ]
            responses.append(pb_utils.InferenceResponse(tensors))
            row += size
        return responses

    def _run(self, feeds):
        if not self._on_gpu:
            return self._session.run(self._outputs, feeds)
        binding = self._session.io_binding()
        for name, values in feeds.items():
            on_device = onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(values), "cuda", self._device_id)
            binding.bind_ortvalue_input(name, on_device)
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()
