"""The machine that the benchmark runs on, and what it runs with."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from server.hardware import gpus, processor
from server.limits import available_cores

PACKAGES = ("clip-bakeoff", "tritonclient", "numpy", "scipy", "pillow", "torch", "onnxruntime", "onnxruntime-gpu")


class Machine(BaseModel):
    """Hardware, operating system and versions, as seen by the benchmark's process.

    Attributes:
        cores: CPU cores that this process may use.
        memory_bytes: physical memory of the machine.
        gpus, driver: names by NVML of those that CUDA shows, and the driver's version; none where there is no NVIDIA GPU.
        versions: of Python and of installed packages.
        commit: the checkout's git commit, with `-dirty` where files differ from it; None outside a checkout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu: str
    cores: int
    memory_bytes: int
    gpus: tuple[str, ...]
    driver: str | None
    os: str
    versions: dict[str, str]
    commit: str | None


def this_machine() -> Machine:
    """Look at this machine; what cannot be found out is left empty."""
    names, driver = _nvidia()
    return Machine(
        cpu=processor(),
        cores=available_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        gpus=names,
        driver=driver,
        os=f"{_distribution()}, {platform.system()} {platform.release()}",
        versions={"python": platform.python_version(), **_versions()},
        commit=_commit(Path(__file__).parent),
    )


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _nvidia() -> tuple[tuple[str, ...], str | None]:
    found = gpus()
    return tuple(gpu.name for gpu in found), found[0].driver if found else None


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _commit(folder: Path) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    try:
        head = subprocess.run([git, "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5)
        if head.returncode:
            return None
        changes = subprocess.run(
            [git, "status", "--porcelain", "--untracked-files=no"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("-dirty" if changes.stdout.strip() else "")
