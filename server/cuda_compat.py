"""CUDA forward compatibility: a data-centre GPU whose driver is older than the image's CUDA.

NVIDIA's images carry a newer user-mode driver for it, `cuda-compat`, in /usr/local/cuda/compat, and their own
entrypoint puts that first on the loader's path; ours replaces theirs, so it does the same. Whether it works here (it
does not on consumer GPUs) is tried and not derived from a table. Newer versions of NVIDIA's container toolkit do this by
themselves; then the driver that is found is new enough already. (CUDA Compatibility guide, "Forward Compatibility".)

`python -m server.cuda_compat` prints the folder to put on LD_LIBRARY_PATH, or nothing.
"""

import os
import subprocess
import sys
from pathlib import Path

FOLDERS = ("/usr/local/cuda/compat/lib.real", "/usr/local/cuda/compat/lib", "/usr/local/cuda/compat")
DRIVER = "libcuda.so.1"
INIT = "import ctypes, sys; sys.exit(ctypes.CDLL(sys.argv[1]).cuInit(0) != 0)"
VERSION = (
    "import ctypes, sys; version = ctypes.c_int(); "
    "ctypes.CDLL(sys.argv[1]).cuDriverGetVersion(ctypes.byref(version)); print(version.value)"
)
TIMEOUT_S = 60.0


def driver_cuda() -> tuple[int, int] | None:
    """Return the CUDA version that the driver on the loader's path supports, or None without a driver."""
    answer = _python(VERSION, os.environ)
    number = int(answer.stdout) if answer.returncode == 0 else 0
    return (number // 1000, number % 1000 // 10) if number else None


def initialises(environment: dict[str, str] | None = None) -> bool:
    """Tell whether CUDA can be initialised, in another process and with `environment` (default: this one's)."""
    return _python(INIT, environment or dict(os.environ)).returncode == 0


def image_cuda() -> tuple[int, int] | None:
    """Return the CUDA version of the image, from what NVIDIA's images set; None outside of one."""
    try:
        major, minor = os.environ.get("CUDA_VERSION", "").split(".")[:2]
        return int(major), int(minor)
    except ValueError:
        return None


def folder() -> Path | None:
    """Return the folder that has to come first on the loader's path, or None when none is needed or none helps."""
    driver, image = driver_cuda(), image_cuda()
    if driver is None or image is None or driver[0] >= image[0]:
        return None  # within a major version older drivers run newer programs
    for candidate in map(Path, FOLDERS):
        if (candidate / DRIVER).exists():
            path = f"{candidate}{os.pathsep}{os.environ.get('LD_LIBRARY_PATH', '')}"
            if initialises({**os.environ, "LD_LIBRARY_PATH": path}):
                return candidate
    return None


def problem() -> tuple[str, str] | None:
    """Return what keeps a GPU that the driver reports from computing, and the remedy; None when nothing does."""
    driver, image = driver_cuda(), image_cuda()
    if driver is None:
        return (
            f"the driver reports a GPU, but its library {DRIVER} is not here",
            "in a container, start it with `--gpus all` and leave NVIDIA_DRIVER_CAPABILITIES at compute,utility",
        )
    if image is not None and driver[0] < image[0]:
        return (
            f"the driver supports CUDA {driver[0]}.{driver[1]}, and this image is built on CUDA {image[0]}.{image[1]}",
            "update the driver, or build the image on an older release (docs/image.md, Older drivers)",
        )
    if not initialises():
        return (
            "CUDA cannot be initialised",
            "`nvidia-smi` and `dmesg | grep -i nvrm` on the host say more; restart it",
        )
    return None


def _python(code: str, environment: "os._Environ[str] | dict[str, str]") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-ISc", code, DRIVER],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


if __name__ == "__main__":
    print(folder() or "")
