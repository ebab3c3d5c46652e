"""Whether this machine can run TensorRT."""

import importlib.util

from server.hardware import Hardware, no_gpu
from server.tensorrt import builder_process
from server.tensorrt.builder.libraries import MODULES
from server.tensorrt.builder_process import BuildFailed, Platform

OLDEST_COMPUTE_CAPABILITY = (7, 5)
"""The oldest GPUs that TensorRT 10 and 11 support (Turing)."""

RTX_COMPUTE_CAPABILITIES = ((8, 0), (8, 6), (8, 9))
"""GPUs that TensorRT-RTX supports, besides those from 12.0 on."""


def unavailable_reason(hardware: Hardware) -> str | None:
    """Return why this machine cannot run TensorRT, for a person; None when it can."""
    if not hardware.gpus:
        return f"TensorRT needs an NVIDIA GPU, and {no_gpu()}"
    if hardware.device == "cpu":
        return "TensorRT runs on a GPU only, and DEVICE=cpu asks for none"
    gpu = hardware.gpus[0]
    if gpu.compute_capability < OLDEST_COMPUTE_CAPABILITY:
        return (
            f"TensorRT needs compute capability {_dotted(OLDEST_COMPUTE_CAPABILITY)} or newer, "
            f"and {gpu.name} has {_dotted(gpu.compute_capability)}"
        )
    if not any(importlib.util.find_spec(module) for module in MODULES):
        return f"TensorRT is not installed (no Python module {' or '.join(MODULES)}); pip install tensorrt"
    try:
        platform = builder_process.describe()
    except BuildFailed as error:
        return str(error)
    return _platform_problem(platform, gpu.compute_capability)


def _platform_problem(platform: Platform, capability: tuple[int, int]) -> str | None:
    if platform.cuda_problem:
        return f"TensorRT {platform.version} cannot use the GPU: {platform.cuda_problem}"
    if "rtx" in platform.module and capability < (12, 0) and capability not in RTX_COMPUTE_CAPABILITIES:
        listed = ", ".join(map(_dotted, RTX_COMPUTE_CAPABILITIES))
        return (
            f"TensorRT-RTX runs on compute capability {listed} and 12.0 or newer, and {platform.gpu} has "
            f"{_dotted(capability)}; pip install tensorrt"
        )
    return None


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"
