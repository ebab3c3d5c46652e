"""Test doubles of CUDA and TensorRT in host memory, for the logic around an engine; nothing here computes a model.

The engine adds up each row of its input, and notes every batch that it ran and whether a graph did it.
"""

# ruff: noqa: N801, N802, N815  # the names are CUDA's and TensorRT's

import ctypes
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np


class Status(Enum):
    cudaSuccess = 0
    cudaErrorUnknown = 1


class Cuda:
    """The functions of `cuda.bindings.runtime` that the backend calls; a stream runs at once."""

    cudaError_t = Status
    cudaStreamNonBlocking, cudaHostAllocDefault = 1, 0

    class cudaMemcpyKind:
        cudaMemcpyDefault = 4

    class cudaStreamCaptureMode:
        cudaStreamCaptureModeThreadLocal = 1

    def __init__(self) -> None:
        self.memory: dict[int, Any] = {}
        self.capturing: list[Callable[[], None]] | None = None
        self.launched: list[Any] = []

    def cudaSetDevice(self, _device: int) -> tuple[Status]:
        return (Status.cudaSuccess,)

    def cudaStreamCreateWithFlags(self, _flags: int) -> tuple[Status, int]:
        return Status.cudaSuccess, 7

    def cudaMalloc(self, size: int) -> tuple[Status, int]:
        buffer = (ctypes.c_byte * size)()
        self.memory[ctypes.addressof(buffer)] = buffer
        return Status.cudaSuccess, ctypes.addressof(buffer)

    def cudaHostAlloc(self, size: int, _flags: int) -> tuple[Status, int]:
        return self.cudaMalloc(size)

    def cudaMemset(self, address: int, value: int, size: int) -> tuple[Status]:
        ctypes.memset(address, value, size)
        return (Status.cudaSuccess,)

    def cudaMemcpyAsync(self, target: int, source: int, size: int, _kind: int, _stream: int) -> tuple[Status]:
        ctypes.memmove(target, source, size)
        return (Status.cudaSuccess,)

    def cudaStreamSynchronize(self, _stream: int) -> tuple[Status]:
        return (Status.cudaSuccess,)

    def cudaStreamBeginCapture(self, _stream: int, _mode: int) -> tuple[Status]:
        self.capturing = []
        return (Status.cudaSuccess,)

    def cudaStreamEndCapture(self, _stream: int) -> tuple[Status, Any]:
        captured, self.capturing = self.capturing, None
        return Status.cudaSuccess, captured

    def cudaGraphInstantiate(self, graph: Any, _flags: int) -> tuple[Status, Any]:
        return Status.cudaSuccess, graph

    def cudaGraphLaunch(self, graph: Any, _stream: int) -> tuple[Status]:
        self.launched.append(graph)
        for work in graph:
            work()
        return (Status.cudaSuccess,)

    def cudaGraphDestroy(self, _graph: Any) -> tuple[Status]:
        return (Status.cudaSuccess,)

    cudaGraphExecDestroy = cudaGraphDestroy

    def cudaFree(self, address: int) -> tuple[Status]:
        return (Status.cudaSuccess if self.memory.pop(address, None) else Status.cudaErrorUnknown,)

    cudaFreeHost = cudaFree

    def cudaStreamDestroy(self, _stream: int) -> tuple[Status]:
        return (Status.cudaSuccess,)

    def cudaGetErrorString(self, _status: Status) -> tuple[Status, bytes]:
        return Status.cudaSuccess, b"unknown error"


class DataType(Enum):
    UINT8 = 0
    FLOAT = 1


class TensorRT:
    """The part of the `tensorrt` module that the backend uses; its plans say `good` or are refused."""

    __version__ = "10.3.0"

    class ILogger:
        class Severity(Enum):
            ERROR = 1
            WARNING = 2

            def __int__(self) -> int:
                return int(self.value)

    class TensorIOMode(Enum):
        INPUT = 0
        OUTPUT = 1

    def __init__(self, cuda: Cuda, row_shape: tuple[int, ...], profiles: list[tuple[int, int, int]]) -> None:
        self.cuda, self.row_shape, self.profiles = cuda, row_shape, profiles
        self.ran: list[tuple[int, int]] = []

    def Runtime(self, logger: Any) -> "Runtime":
        return Runtime(self, logger)


class Runtime:
    def __init__(self, trt: TensorRT, logger: Any) -> None:
        self._trt, self._logger = trt, logger

    def deserialize_cuda_engine(self, plan: bytes) -> "Engine | None":
        if plan != b"good":
            self._logger.log(TensorRT.ILogger.Severity.ERROR, "the plan was built by another TensorRT")
            return None
        return Engine(self._trt)


class Engine:
    num_io_tensors = 2

    def __init__(self, trt: TensorRT) -> None:
        self._trt = trt
        self.num_optimization_profiles = len(trt.profiles)

    def get_tensor_name(self, index: int) -> str:
        return ("image", "embedding")[index]

    def get_tensor_mode(self, name: str) -> TensorRT.TensorIOMode:
        return TensorRT.TensorIOMode.INPUT if name == "image" else TensorRT.TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, *self._trt.row_shape) if name == "image" else (-1, 2)

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType.UINT8 if name == "image" else DataType.FLOAT

    def get_tensor_profile_shape(self, _name: str, index: int) -> list[tuple[int, ...]]:
        return [(batch, *self._trt.row_shape) for batch in self._trt.profiles[index]]

    def create_execution_context(self) -> "Context":
        return Context(self._trt)


class Context:
    def __init__(self, trt: TensorRT) -> None:
        self._trt = trt
        self._addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, index: int, _stream: int) -> bool:
        self._profile = index
        return True

    def set_tensor_address(self, name: str, address: int) -> None:
        self._addresses[name] = address

    def set_input_shape(self, _name: str, shape: tuple[int, ...]) -> bool:
        self._rows = shape[0]
        least, _, most = self._trt.profiles[self._profile]
        return least <= self._rows <= most

    def execute_async_v3(self, _stream: int) -> bool:
        rows, width = self._rows, int(np.prod(self._trt.row_shape))

        def work() -> None:
            source = (ctypes.c_uint8 * (rows * width)).from_address(self._addresses["image"])
            sums = np.frombuffer(source, np.uint8).reshape(rows, width).sum(axis=1)
            answer = np.stack([sums, np.full(rows, rows)], axis=1).astype(np.float32)
            ctypes.memmove(self._addresses["embedding"], answer.ctypes.data, answer.nbytes)
            self._trt.ran.append((self._profile, rows))

        if self._trt.cuda.capturing is None:
            work()
        else:
            self._trt.cuda.capturing.append(work)
        return True
