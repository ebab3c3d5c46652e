"""Finding a tritonserver: NVIDIA's in its image, else the one in the `nvidia-pytriton` wheel."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from server.home import ROOT

NATIVE = Path("/opt/tritonserver")
PYTHON_BACKENDS = ROOT / "triton_backends"
HELP_TIMEOUT_S = 60.0


class InstallationError(RuntimeError):
    """No usable tritonserver; the message says what to install."""


@dataclass(frozen=True)
class Installation:
    """A tritonserver that can be started.

    Attributes:
        binary: the executable.
        backends: its folder of backends; what is in there wins over ours of the same name.
        stub: the Python backend's stub to use, or None when the backend brings its own.
        library_path: folders that its libraries need, for `LD_LIBRARY_PATH`.
    """

    binary: Path
    backends: Path
    stub: Path | None
    library_path: tuple[Path, ...]


def find_installation() -> Installation:
    """Return the tritonserver to use.

    Raises:
        InstallationError: there is none, or a library that it needs is missing.
    """
    if (NATIVE / "bin" / "tritonserver").is_file():
        return Installation(NATIVE / "bin" / "tritonserver", NATIVE / "backends", None, (NATIVE / "lib",))
    return _from_wheel()


def _from_wheel() -> Installation:
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise InstallationError(
            f"no tritonserver in {NATIVE} and no nvidia-pytriton wheel in this environment; run `make setup`"
        )
    package = Path(spec.origin).parent
    server = package / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        raise InstallationError(f"the nvidia-pytriton wheel has no Python {version} stub; use Python 3.11 or 3.12")
    library_path = (package.parent / "nvidia_pytriton.libs", _libpython_folder(version))
    return Installation(server / "bin" / "tritonserver", server / "backends", stub, library_path)


def _libpython_folder(version: str) -> Path:
    name = f"libpython{version}.so.1.0"
    libdir = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    for folder in (libdir, libdir / multiarch, Path("/usr/lib") / multiarch):
        if (folder / name).exists():
            return folder
    raise InstallationError(f"{name} is missing, and tritonserver needs it; apt-get install libpython{version}")


def options(installation: Installation) -> frozenset[str]:
    """Return the names of the options that this tritonserver knows: they differ between versions, and an unknown one ends it.

    Raises:
        InstallationError: it cannot be run.
    """
    try:
        answer = subprocess.run(
            [installation.binary, "--help"],
            env=environment(installation),
            capture_output=True,
            text=True,
            timeout=HELP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallationError(f"{installation.binary} cannot be run: {error}") from error
    return frozenset(re.findall(r"^ +--([a-z0-9-]+)", answer.stdout + answer.stderr, re.MULTILINE))


def compose_backends(installation: Installation, target: Path) -> Path:
    """Return a folder of backends: NVIDIA's image has them all, the wheel has Python only and gets ours beside it.

    Files are copied (3 MB), because Triton refuses a backend library that is a link out of its folder.

    Args:
        target: where to put that folder, if one has to be made.

    Raises:
        OSError: the folder cannot be written.
    """
    if installation.stub is None:
        return installation.backends
    shutil.rmtree(target, ignore_errors=True)
    for source in (installation.backends, PYTHON_BACKENDS):
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    stub = target / "python" / installation.stub.name
    shutil.copyfile(installation.stub, stub)
    stub.chmod(0o755)  # wheels do not keep this
    return target


def environment(installation: Installation) -> dict[str, str]:
    """Return the environment for tritonserver: its libraries, and this virtual environment for its Python stubs.

    The stub ignores `PYTHONPATH` and takes the virtual environment whose `bin` comes first on `PATH`.
    """
    variables = dict(os.environ)
    path = [str(Path(sys.executable).parent), variables.get("PATH", "")]
    libraries = [*map(str, installation.library_path), variables.get("LD_LIBRARY_PATH", "")]
    variables["PATH"] = os.pathsep.join(filter(None, path))
    variables["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, libraries))
    return variables
