"""A Python-based Triton backend named `tensorrt`, for a tritonserver that was built without the native one.

It serves `<version>/model.plan`, an engine with one input and one output, of any model whose `config.pbtxt` says
`backend: "tensorrt"`. Python 3.10, the standard library, numpy, `cuda.bindings` and TensorRT 8.6 or newer (or
TensorRT-RTX) are all it uses.

Without Triton, `python triton_backends/tensorrt/model.py model.onnx` builds an engine, times it at every size of the
ladder and shows that a batch's rows do not depend on what the idle rows of a CUDA graph hold.
"""

import argparse
import ctypes
import importlib
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
from cuda.bindings import runtime as cuda

try:
    import triton_python_backend_utils as pb_utils
except ModuleNotFoundError:  # started from its file, not by Triton
    pb_utils = None

MODULES = ("tensorrt", "tensorrt_bindings", "tensorrt_rtx", "tensorrt_rtx_bindings")
TYPES = {"UINT8": np.uint8, "INT8": np.int8, "INT32": np.int32, "HALF": np.float16, "FLOAT": np.float32}
BUILDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "server", "tensorrt", "builder")
LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
REPEATS = 30


class EngineError(RuntimeError):
    """The engine cannot be loaded or run; the message says why."""


class Engine:
    """A TensorRT engine on one GPU, with CUDA graphs for some batch sizes.

    The input and output lie in GPU memory at addresses that never change, because graphs hold on to them.
    """

    def __init__(self, plan, graph_sizes=(), device_id=0):
        """Load the plan, take the memory for its largest batch, and capture a graph for each size.

        Raises:
            EngineError: the plan is not for this TensorRT or GPU, or the GPU's memory does not suffice.
        """
        _check(cuda.cudaSetDevice(device_id))
        trt, errors = _module(), []
        self._logger = _logger(trt, errors)
        self._runtime = trt.Runtime(self._logger)
        with open(plan, "rb") as file:
            self._engine = self._runtime.deserialize_cuda_engine(file.read())
        if self._engine is None:
            raise EngineError(
                f"{plan}: TensorRT {trt.__version__} cannot load it ({errors[-1] if errors else 'no reason given'}); "
                "it has to be built by this TensorRT on this kind of GPU"
            )
        names = {self._engine.get_tensor_mode(name): name for name in map(self._name, range(self._tensors()))}
        if self._tensors() != 2 or len(names) != 2:
            raise EngineError(f"{plan}: expected one input and one output, found {self._tensors()} tensors")
        self._input, self._output = names[trt.TensorIOMode.INPUT], names[trt.TensorIOMode.OUTPUT]
        self._stream = _check(cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking))
        self._profiles = [self._profile(index) for index in range(self._engine.num_optimization_profiles)]
        self.max_batch = max(largest for _, _, largest in self._profiles)
        self._allocate()
        self._contexts = [self._context(index) for index in range(len(self._profiles))]
        self._graphs = {size: self._capture(size) for size in sorted(set(graph_sizes)) if size <= self.max_batch}

    def _tensors(self):
        return self._engine.num_io_tensors

    def _name(self, index):
        return self._engine.get_tensor_name(index)

    def _profile(self, index):
        return tuple(int(shape[0]) for shape in self._engine.get_tensor_profile_shape(self._input, index))

    def _allocate(self):
        shapes = [tuple(self._engine.get_tensor_shape(name))[1:] for name in (self._input, self._output)]
        types = [np.dtype(TYPES[self._engine.get_tensor_dtype(name).name]) for name in (self._input, self._output)]
        sizes = [int(np.prod(shape)) * kind.itemsize for shape, kind in zip(shapes, types)]
        self.row_shape, self.row_type = shapes[0], types[0]
        self._row_bytes, self._answer_bytes = sizes
        self._device_input = _check(cuda.cudaMalloc(self.max_batch * self._row_bytes))
        self._device_output = _check(cuda.cudaMalloc(self.max_batch * self._answer_bytes))
        _check(cuda.cudaMemset(self._device_input, 0, self.max_batch * self._row_bytes))
        # Page-locked, so that the GPU writes the answer straight into it.
        host = _check(cuda.cudaHostAlloc(self.max_batch * self._answer_bytes, cuda.cudaHostAllocDefault))
        self._host_pointer = int(host)
        memory = (ctypes.c_byte * (self.max_batch * self._answer_bytes)).from_address(self._host_pointer)
        self._host_output = np.frombuffer(memory, types[1]).reshape(self.max_batch, *shapes[1])

    def _context(self, index):
        context = self._engine.create_execution_context()
        if context is None or not context.set_optimization_profile_async(index, int(self._stream)):
            raise EngineError("TensorRT cannot make an execution context; the GPU's memory may not suffice")
        context.set_tensor_address(self._input, int(self._device_input))
        context.set_tensor_address(self._output, int(self._device_output))
        return context

    def _nearest(self, rows):
        """Return the context of the profile that is tuned for the batch size nearest to `rows`."""
        fitting = [index for index, (least, _, most) in enumerate(self._profiles) if least <= rows <= most]
        return self._contexts[min(fitting, key=lambda index: abs(self._profiles[index][1] - rows))]

    def _enqueue(self, rows):
        context = self._nearest(rows)
        if not context.set_input_shape(self._input, (rows, *self.row_shape)):
            raise EngineError(f"the engine does not take a batch of {rows}")
        if not context.execute_async_v3(int(self._stream)):
            raise EngineError(f"TensorRT could not run a batch of {rows}")

    def _capture(self, rows):
        self._enqueue(rows)  # what TensorRT sets up at a shape's first run cannot be captured
        _check(cuda.cudaStreamSynchronize(self._stream))
        # Thread-local: other threads of this process may call CUDA meanwhile.
        _check(cuda.cudaStreamBeginCapture(self._stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
        try:
            self._enqueue(rows)
        finally:
            graph = _check(cuda.cudaStreamEndCapture(self._stream))
        executable = _check(cuda.cudaGraphInstantiate(graph, 0))
        _check(cuda.cudaGraphDestroy(graph))
        return executable

    def run(self, parts):
        """Run one batch.

        Args:
            parts: its rows, in one or more pieces, each a pair of address and rows; on the host or on any GPU.

        Returns:
            The answer's rows, in memory that the next call writes over.

        Raises:
            EngineError: the batch is larger than the engine takes, or CUDA failed.
        """
        rows = 0
        for address, count in parts:
            if rows + count > self.max_batch:
                raise EngineError(f"a batch of more than {self.max_batch} rows does not fit the engine")
            target = int(self._device_input) + rows * self._row_bytes
            self._copy(target, address, count * self._row_bytes)
            rows += count
        size = next((size for size in self._graphs if size >= rows), None)
        if size is None:
            self._enqueue(rows)
        else:  # rows beyond the batch hold what was there before; every row is computed from itself alone
            _check(cuda.cudaGraphLaunch(self._graphs[size], self._stream))
        self._copy(self._host_pointer, int(self._device_output), rows * self._answer_bytes)
        _check(cuda.cudaStreamSynchronize(self._stream))
        return self._host_output[:rows]

    def _copy(self, target, source, size):
        _check(cuda.cudaMemcpyAsync(target, source, size, cuda.cudaMemcpyKind.cudaMemcpyDefault, self._stream))

    def close(self):
        """Give everything on the GPU back."""
        for graph in self._graphs.values():
            _check(cuda.cudaGraphExecDestroy(graph))
        self._contexts.clear()
        self._host_output = None
        _check(cuda.cudaFree(self._device_input))
        _check(cuda.cudaFree(self._device_output))
        _check(cuda.cudaFreeHost(self._host_pointer))
        _check(cuda.cudaStreamDestroy(self._stream))


class TritonPythonModel:
    """One instance of a model."""

    def initialize(self, args):
        """Load the engine on the GPU that Triton gave this instance, and capture the graphs that the config names."""
        config = json.loads(args["model_config"])
        if args["model_instance_kind"] != "GPU":
            raise pb_utils.TritonModelException("TensorRT needs a GPU; set the instance group's kind to KIND_GPU")
        self._input, self._output = config["input"][0]["name"], config["output"][0]["name"]
        cuda_options = config.get("optimization", {}).get("cuda", {})
        sizes = [int(spec["batch_size"]) for spec in cuda_options.get("graph_spec", [])]
        plan = os.path.join(args["model_repository"], args["model_version"], "model.plan")
        if not os.path.exists(plan):
            raise pb_utils.TritonModelException(
                "there is no engine yet; the readiness gate compiles it and loads it then"
            )
        try:
            self._engine = Engine(
                plan, sizes if cuda_options.get("graphs") else (), int(args["model_instance_device_id"])
            )
        except (EngineError, OSError) as error:
            raise pb_utils.TritonModelException(str(error)) from error

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
        tensors = [pb_utils.get_input_tensor_by_name(request, self._input) for request in requests]
        sizes = [tensor.shape()[0] for tensor in tensors]
        held = [_pixels(tensor) for tensor in tensors]  # until the copies from them are over
        answer = self._engine.run([(address, size) for (address, _), size in zip(held, sizes)])
        responses, row = [], 0
        for size in sizes:
            rows = pb_utils.Tensor(self._output, answer[row : row + size])
            responses.append(pb_utils.InferenceResponse([rows]))
            row += size
        return responses

    def finalize(self):
        """Free the GPU."""
        self._engine.close()


class _DLTensor(ctypes.Structure):
    """The beginning of what a DLPack capsule points to."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


def _pixels(tensor):
    """Return the address of a Triton tensor's content, on the host or the GPU, and what keeps it alive."""
    if tensor.is_cpu():
        array = np.ascontiguousarray(tensor.as_numpy())
        return array.ctypes.data, array
    capsule = tensor.to_dlpack()
    return _device_address(capsule), capsule


def _device_address(capsule):
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    tensor = _DLTensor.from_address(get(capsule, b"dltensor"))
    return tensor.data + tensor.byte_offset


def _check(answer):
    """Return what a CUDA call gave, or raise what it says is wrong."""
    status, *values = answer
    if status != cuda.cudaError_t.cudaSuccess:
        raise EngineError(f"CUDA: {cuda.cudaGetErrorString(status)[1].decode()}")
    return values[0] if values else None


def _module():
    problems = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            problems.append(f"{name}: {error}")
    raise EngineError(f"no TensorRT module can be imported ({'; '.join(problems)}); install tensorrt")


def _logger(trt, errors):
    class Logger(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)

        def log(self, severity, message):
            if int(severity) <= int(trt.ILogger.Severity.ERROR):
                errors.append(message)
            if int(severity) <= int(trt.ILogger.Severity.WARNING):
                print(f"TensorRT {severity.name}: {message}", file=sys.stderr, flush=True)

    return Logger()


def main():
    """Build an engine where an ONNX file is given, and try it."""
    parser = argparse.ArgumentParser(description="Try a TensorRT engine without Triton.")
    parser.add_argument("model", help="an ONNX file, or an engine (.plan)")
    options = parser.parse_args()
    plan = options.model
    if plan.endswith(".onnx"):
        plan = os.path.splitext(plan)[0] + ".plan"
        subprocess.run([sys.executable, BUILDER, options.model, "--output", plan], check=True)
    engine = Engine(plan, LADDER)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (engine.max_batch, *engine.row_shape)).astype(engine.row_type)
    others = rng.permutation(images)
    alone = engine.run([(images.ctypes.data, 1)]).copy()
    print(f"{'batch':>5} {'ms':>7} {'images/s':>9} {'row 0, to batch 1':>18} {'idle rows changed':>18}")
    for size in sorted({*LADDER, *(step + 1 for step in LADDER)}):
        if size <= engine.max_batch:
            seconds = statistics.median(_timed(engine, images, size) for _ in range(REPEATS))
            first = engine.run([(images.ctypes.data, size)]).copy()
            engine.run([(others.ctypes.data, engine.max_batch)])
            again = engine.run([(images.ctypes.data, size)])
            apart, spill = abs(first[0] - alone[0]).max(), abs(first - again).max()
            print(f"{size:>5} {seconds * 1e3:>7.2f} {size / seconds:>9.0f} {apart:>18.2e} {spill:>18.2e}")
    engine.close()


def _timed(engine, images, size):
    began = time.perf_counter()
    engine.run([(images.ctypes.data, size)])
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
