"""Asking the NVIDIA driver: a machine without it, and what a GPU does not support, are answers and no errors."""

from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

Answer = TypeVar("Answer")


def of_each_gpu(question: Callable[[int, Any], Answer]) -> tuple[Answer, ...]:
    """Return what `question` answers for the index and the handle of every GPU; nothing without a driver, or when it fails."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(
            question(index, pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(pynvml.nvmlDeviceGetCount())
        )
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of NVML answers; None where the GPU or its driver does not support it."""
    try:
        return function(*arguments)
    except pynvml.NVMLError:
        return None
