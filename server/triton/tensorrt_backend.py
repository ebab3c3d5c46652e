"""What serving TensorRT asks of a Triton: a backend for it, with the library that builds the engines."""

import re
import subprocess
import sys

from server.hardware import Hardware
from server.tensorrt import builder_process, runtime
from server.triton.installation import NATIVE, PYTHON_BACKENDS, Installation, environment

NATIVE_LIBRARY = NATIVE / "backends" / "tensorrt" / "libtriton_tensorrt.so"
LIBRARY_TIMEOUT_S = 60.0


class VersionMismatch(RuntimeError):
    """The TensorRT that builds engines is not the one that Triton loads; the message has both versions."""


def unavailable_reason(hardware: Hardware) -> str | None:
    """Return why no Triton of this machine can serve TensorRT, for a person; None when one can."""
    if reason := runtime.unavailable_reason(hardware):
        return reason
    if not any((folder / "tensorrt").is_dir() for folder in (NATIVE / "backends", PYTHON_BACKENDS)):
        return "this tritonserver has no TensorRT backend"
    return None


def check_versions(installation: Installation) -> None:
    """Make sure that engines are built by the library that Triton loads.

    Only NVIDIA's own backend brings another library than the Python module; ours loads that module itself.

    Raises:
        VersionMismatch: they differ, or Triton's cannot be told.
        BuildFailed: the Python module cannot be loaded.
    """
    if installation.stub is not None:
        return
    serving = library_version(str(NATIVE_LIBRARY), environment(installation))
    building = builder_process.describe().version
    if building.split(".")[:3] != serving.split("."):
        raise VersionMismatch(
            f"the Python module builds engines with TensorRT {building}, but Triton loads TensorRT {serving}, which "
            f"cannot read them; pip install tensorrt=={serving}"
        )


def library_version(backend: str, variables: dict[str, str]) -> str:
    """Return the version of the TensorRT library that the shared library `backend` is linked with.

    Args:
        backend: path of the shared library.
        variables: the environment that it will be loaded in.

    Raises:
        VersionMismatch: it is linked with none, or that cannot be loaded.
    """
    listed = _run(["ldd", backend], variables)
    found = re.search(r"libnvinfer\.so\S*\s+=>\s+(/.+?) \(0x", listed.stdout)
    if found is None:
        raise VersionMismatch(f"{backend}: no libnvinfer is found for it ({listed.stderr.strip() or 'ldd lists none'})")
    # in another process, because a library that was loaded cannot be got rid of
    code = f"import ctypes; print(ctypes.CDLL({found[1]!r}).getInferLibVersion())"
    asked = _run([sys.executable, "-c", code], variables)
    if asked.returncode != 0:
        raise VersionMismatch(f"{found[1]} cannot be loaded: {asked.stderr.strip().splitlines()[-1]}")
    return decode_version(int(asked.stdout))


def decode_version(number: int) -> str:
    """Return what TensorRT means by a version number: 8601 is 8.6.1, and from 10 on 100300 is 10.3.0."""
    unit = 1000 if number < 10_000 else 10_000
    return f"{number // unit}.{number % unit // 100}.{number % 100}"


def _run(command: list[str], variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=LIBRARY_TIMEOUT_S, check=False
    )
