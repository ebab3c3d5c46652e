"""TensorRT and CUDA as they are installed here."""

import importlib
from typing import Any

from .errors import BuildError

MODULES = ("tensorrt", "tensorrt_bindings", "tensorrt_rtx", "tensorrt_rtx_bindings")
"""The names that TensorRT's wheels give their module, in the order of preference."""


def load_module() -> Any:
    """Import TensorRT under whichever name it has.

    Raises:
        BuildError: there is none, or none can be loaded.
    """
    problems = []
    for name in MODULES:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            problems.append(f"{name}: {error}")
    raise BuildError(f"no TensorRT module can be imported ({'; '.join(problems)}); install tensorrt")


def describe() -> dict[str, Any]:
    """Return what an engine built here depends on: `module`, `version`, `gpu`, `compute_capability`, `cuda_problem`.

    `gpu` and `compute_capability` are None without a usable GPU, and `cuda_problem` then says why.

    Raises:
        BuildError: TensorRT cannot be imported.
    """
    module = load_module()
    found: dict[str, Any] = {"module": module.__name__, "version": module.__version__}
    problem = _cuda_problem()
    if problem:
        return {**found, "gpu": None, "compute_capability": None, "cuda_problem": problem}
    from cuda.bindings import runtime

    _, properties = runtime.cudaGetDeviceProperties(0)
    capability = f"{properties.major}.{properties.minor}"
    return {
        **found,
        "gpu": properties.name.decode().rstrip("\0"),
        "compute_capability": capability,
        "cuda_problem": None,
    }


def _cuda_problem() -> str | None:
    """Return why CUDA cannot be used here, or None."""
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        return f"cuda.bindings cannot be imported ({error}); install cuda-bindings"
    _, supported = runtime.cudaDriverGetVersion()
    _, needed = runtime.cudaRuntimeGetVersion()
    status, count = runtime.cudaGetDeviceCount()
    if status == runtime.cudaError_t.cudaErrorInsufficientDriver and supported:
        return (
            f"the NVIDIA driver supports CUDA {_cuda_version(supported)} at most, and CUDA {_cuda_version(needed)} is "
            "needed; update the driver"
        )
    if not supported:
        return "there is no NVIDIA driver"
    if status != runtime.cudaError_t.cudaSuccess or not count:
        return f"CUDA finds no usable GPU ({status.name})"
    return None


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def free_gpu_memory() -> int:
    """Return the bytes free on the first GPU; 0 without one."""
    if _cuda_problem():
        return 0
    from cuda.bindings import runtime

    status, free, _ = runtime.cudaMemGetInfo()
    return int(free) if status == runtime.cudaError_t.cudaSuccess else 0
