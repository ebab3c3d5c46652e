"""Whether Python imports the packages that `uv.lock` names, and not others that lie in their way (`PYTHONPATH`).

None of them is imported for it: one that lies in the way may break whoever does. Standard library only.
"""

import importlib.util
import os
import tomllib
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "uv.lock"

PACKAGES = {
    "numpy": ("numpy",),
    "torch": ("torch",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "PIL": ("pillow",),
}
"""Modules whose version decides the numbers, and the packages that they may come from."""


@dataclass(frozen=True)
class Versions:
    """What was found.

    Attributes:
        found: the packages that are imported, with their versions.
        foreign: modules that are imported from somewhere else than this environment, in words.
        other: packages of this environment in another version than the lock's, in words.
    """

    found: list[str]
    foreign: list[str]
    other: list[str]


def look(lock: Path = LOCK) -> Versions:
    """Look where each module would be imported from, and compare its package with the lock."""
    with lock.open("rb") as file:
        locked = {package["name"]: package["version"] for package in tomllib.load(file)["package"]}
    path = os.environ.get("PYTHONPATH")
    before_ours = [Path(folder or ".").resolve() for folder in path.split(os.pathsep)] if path else []
    versions = Versions([], [], [])
    for module, names in PACKAGES.items():
        package = next(filter(None, map(_installed, names)), None)
        spec = importlib.util.find_spec(module)
        folder = Path(spec.origin).parent if spec and spec.origin else None
        if package is None or folder is None:
            versions.other.append(f"{names[0]} is not installed")
            continue
        name, version = package.metadata["Name"].lower(), package.version
        place = folder.parent.resolve()
        if place in before_ours or place != Path(str(package.locate_file(""))).resolve():
            versions.foreign.append(f"{module} is imported from {folder}, and not from this environment")
        elif version.partition("+")[0] != locked[name]:
            versions.other.append(f"{name} {version} is imported, and uv.lock has {locked[name]}")
        else:
            versions.found.append(f"{name} {version}")
    return versions


def remedy() -> str:
    """Return what to do about packages that are not the lock's."""
    path = os.environ.get("PYTHONPATH")
    return f"unset PYTHONPATH, which is {path}" if path else "`make setup`, or in the image: build it anew"


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None
