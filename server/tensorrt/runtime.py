"""Whether this machine can run TensorRT."""

import ctypes
from pathlib import Path

from server.hardware import gpus
from server.triton.installation import NATIVE, PYTHON_BACKENDS

OLDEST_COMPUTE_CAPABILITY = (7, 5)
"""The oldest GPUs that TensorRT 10 and 11 support (Turing)."""

LIBRARIES = ("libnvinfer.so.11", "libnvinfer.so.10", "libnvinfer.so.8")


def unavailable_reason() -> str | None:
    """Return why this machine cannot run TensorRT, for a person; None when it can."""
    found = gpus()
    if not found:
        return "TensorRT needs an NVIDIA GPU, and the driver reports none"
    capability = max(gpu.compute_capability for gpu in found)
    if capability < OLDEST_COMPUTE_CAPABILITY:
        return (
            f"TensorRT needs compute capability {_dotted(OLDEST_COMPUTE_CAPABILITY)} or newer, "
            f"and {found[0].name} has {_dotted(capability)}"
        )
    if not any(_loads(library) for library in LIBRARIES):
        return f"TensorRT is not installed ({' or '.join(LIBRARIES)} cannot be loaded)"
    if not _backend_exists():
        return "this tritonserver has no TensorRT backend"
    return None


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _backend_exists() -> bool:
    return any((folder / "tensorrt").is_dir() for folder in (NATIVE / "backends", Path(PYTHON_BACKENDS)))
