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
        self._cuda_options = _cuda_options(config)
        self._memory_limit = config["parameters"].get("gpu_mem_limit", {}).get("string_value")
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
        options = {"device_id": self._device_id, **self._cuda_options}
        if self._memory_limit:
            options.update(gpu_mem_limit=self._memory_limit, arena_extend_strategy="kSameAsRequested")
        return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]

    def execute(self, requests):
        """Run all requests of the batch at once and give each its rows.

        What an exception says would be answered with our paths, and the machine's name where CUDA wrote it.
        """
        try:
            return self._answers(requests)
        except Exception as error:
            pb_utils.Logger.log_error(f"a batch of {len(requests)} requests failed: {error!r}")
            failed = pb_utils.TritonError("the model failed on this batch; the server's log has the details")
            return [pb_utils.InferenceResponse(error=failed) for _ in requests]

    def _answers(self, requests):
        columns = [[pb_utils.get_input_tensor_by_name(request, name) for request in requests] for name in self._inputs]
        sizes = [tensor.shape()[0] for tensor in columns[0]]
        results = self._run_on_gpu(columns) if self._on_gpu else self._run_on_cpu(columns)
        responses, row = [], 0
        for size in sizes:
            tensors = [
                pb_utils.Tensor(name, np.ascontiguousarray(result[row : row + size]))
                for name, result in zip(self._outputs, results)
            ]
            responses.append(pb_utils.InferenceResponse(tensors))
            row += size
        return responses

    def _run_on_cpu(self, columns):
        feeds = {name: _joined([tensor.as_numpy() for tensor in column]) for name, column in zip(self._inputs, columns)}
        return self._session.run(self._outputs, feeds)

    def _run_on_gpu(self, columns):
        binding = self._session.io_binding()
        values = [self._on_device(column) for column in columns]  # held until the run is over
        for name, value in zip(self._inputs, values):
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()

    def _on_device(self, column):
        """Return one input of the batch as a value on the GPU: a lone tensor that is there already is not copied."""
        if len(column) == 1 and not column[0].is_cpu():
            return onnxruntime.OrtValue.from_dlpack(column[0].to_dlpack())
        joined = _joined([_on_host(tensor) for tensor in column])
        return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(joined), "cuda", self._device_id)


def _cuda_options(config):
    """Return the CUDA provider's options that the configuration passes on, as the native backend reads them."""
    accelerators = (config.get("optimization") or {}).get("execution_accelerators") or {}
    for accelerator in accelerators.get("gpu_execution_accelerator", []):
        if accelerator["name"] == "cuda":
            return accelerator["parameters"]
    return {}


def _on_host(tensor):
    return tensor.as_numpy() if tensor.is_cpu() else onnxruntime.OrtValue.from_dlpack(tensor.to_dlpack()).numpy()


def _joined(parts):
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
