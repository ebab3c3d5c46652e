"""Asking the NVIDIA driver: a machine without it, and what a GPU does not support, are answers and no errors."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pynvml

from server import visible_gpus

Answer = TypeVar("Answer")


def of_each_gpu(question: Callable[[int, Any], Answer]) -> tuple[Answer, ...]:
    """Return what `question` answers for the index and the handle of every GPU that CUDA shows, in CUDA's order.

    Nothing without a driver, or when it fails.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(question(index, handle) for index, handle in enumerate(handles()))
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def handles(uuids: Sequence[str] | None = None) -> list[Any]:
    """Return NVML's handles of these GPUs or MIG instances, in their order; of those that CUDA shows when left out.

    Raises:
        pynvml.NVMLError: NVML is not initialised, or does not know one of them.
    """
    count = pynvml.nvmlDeviceGetCount()
    if uuids is None and count:  # CUDA takes long to say that there is none
        uuids = visible_gpus.uuids()
    if uuids is None:
        return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
    return [pynvml.nvmlDeviceGetHandleByUUID(uuid) for uuid in uuids]


def hidden_count() -> int:
    """Return how many GPUs the machine has that CUDA does not show."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        whole = {_whole(handle) for handle in handles()}
        return int(pynvml.nvmlDeviceGetCount()) - len(whole)
    except pynvml.NVMLError:
        return 0
    finally:
        pynvml.nvmlShutdown()


def of_whole_gpu(function: Callable[[Any], Answer], handle: Any) -> Answer:
    """Return what a function answers for a GPU; for a MIG instance, where it answers for GPUs only, what it does for its GPU.

    Raises:
        pynvml.NVMLError: it does not answer for either.
    """
    try:
        return function(handle)
    except pynvml.NVMLError:
        return function(pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle))


def ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of NVML answers; None where the GPU or its driver does not support it."""
    try:
        return function(*arguments)
    except pynvml.NVMLError:
        return None


def _whole(handle: Any) -> str:
    parent = ask(pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, handle)
    return str(pynvml.nvmlDeviceGetUUID(parent or handle))
