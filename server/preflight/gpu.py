"""Whether the GPU's libraries compute, tried in another process before a model is exported or an engine is compiled."""

import signal
import subprocess
import sys

from server.home import ROOT
from server.preflight.gpu_probe import ATTENTION, BUILDER, CONVOLUTION, MATRICES
from server.tensorrt.builder_process import BuildFailed
from server.triton.installation import InstallationError, find_installation
from server.triton.tensorrt_backend import VersionMismatch, check_versions

PROBE = (sys.executable, "-W", "ignore:::runpy", "-m", "server.preflight.gpu_probe")

TIME_LIMIT_S = 180.0
"""Some gigabytes of libraries are read, on a machine just rented from a slow disk."""

REMEDIES = (
    ("out of memory", "free some GPU memory; `nvidia-smi` shows who has it"),
    ("no kernel image", "this GPU is too old for this torch: set DEVICE=cpu, or take a newer GPU"),
    (
        BUILDER,
        "build the image on the full base (docs/image.md), or in a checkout install TensorRT anew; to serve without it set "
        "BACKENDS=pytorch,onnx",
    ),
    (
        "",
        "build the image with --build-arg CUDA_LIBRARIES=torch, which keeps torch's own, or on another base (docs/image.md); "
        "in a checkout `make clean setup`; or set DEVICE=cpu",
    ),
)
"""By what is said of the failure, the first that fits."""


def problem() -> tuple[str, str] | None:
    """Return what is wrong with the libraries that torch and ONNX Runtime load, and the remedy; None when nothing is."""
    return _with_remedy(failure(MATRICES, CONVOLUTION, ATTENTION))


def tensorrt_problem() -> tuple[str, str] | None:
    """Return what keeps TensorRT from building engines for Triton, and the remedy; None when nothing does."""
    try:
        check_versions(find_installation())
    except (VersionMismatch, BuildFailed, InstallationError) as error:
        return _with_remedy(f"{BUILDER}: {error}")
    return _with_remedy(failure(BUILDER))


def failure(*steps: str, device: str = "cuda") -> str | None:
    """Return the first of these steps that fails, crashes or hangs, and how; None when all are right.

    Args:
        steps: names from `server.preflight.gpu_probe`.
        device: where; `cpu` is for tests.
    """
    with subprocess.Popen(
        [*PROBE, device, *steps], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as probe:
        try:
            begun, errors = probe.communicate(timeout=TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            probe.kill()
            begun, errors = probe.communicate()
            errors = f"no result within {TIME_LIMIT_S:g} s"
    if probe.returncode == 0:
        return None
    step = begun.splitlines()[-1] if begun else "the probe itself"
    if probe.returncode < 0 and not errors.startswith("no result"):
        errors += f"\nit was ended by {signal.Signals(-probe.returncode).name}"
    return f"{step}: {'; '.join(errors.strip().splitlines()[-2:])}"


def _with_remedy(found: str | None) -> tuple[str, str] | None:
    if found is None:
        return None
    return found, next(remedy for words, remedy in REMEDIES if words in found)
