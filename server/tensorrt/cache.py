"""The plans on disk, TensorRT's word for an engine in a file: one folder each, named after everything that it depends on.

`BAKEOFF_HOME/engines/<key>/` holds `model.plan`, `manifest.json` and `build.log`. The manifest is written last, so a
plan is there when its manifest is, and whole when it has the manifest's checksum.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from server.files import sha256, write_atomic
from server.setting_types import Precision
from server.tensorrt.builder.profiles import Profile

PLAN = "model.plan"
MANIFEST = "manifest.json"
LOG = "build.log"

KEY_LENGTH = 16

log = logging.getLogger("bakeoff.tensorrt")


class Identity(BaseModel):
    """Everything that decides whether a plan may be used; a change of any of it makes another key.

    Attributes:
        onnx_sha256: of the graph.
        gpu, compute_capability: what it was tuned on; None where it was built without a GPU.
        tensorrt: the module and its version.
        builder_sha256: of the builder's source, which holds every build option that is not named here.
    """

    model_config = ConfigDict(frozen=True)

    onnx_sha256: str
    gpu: str | None
    compute_capability: str | None
    tensorrt: str
    precision: Precision
    profiles: tuple[Profile, ...]
    optimization_level: int
    builder_sha256: str

    @property
    def key(self) -> str:
        """The name of its folder."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:KEY_LENGTH]


class Manifest(BaseModel):
    """What is known of a plan.

    Attributes:
        tensors: its inputs and outputs: `name`, `mode`, `type`, `shape`.
        layers: the network's layers by kind and type before fusion: `layer`, `type`, `count`, `bytes`.
        built_at: ISO 8601.
        size, sha256: of the plan.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    identity: Identity
    tensors: list[dict[str, Any]]
    layers: list[dict[str, Any]]
    build_seconds: float
    built_at: str
    size: int
    sha256: str


@dataclass(frozen=True)
class PlanFile:
    """A plan that is whole, and what is known of it."""

    path: Path
    manifest: Manifest


class PlanCache:
    """The folder of plans. Several processes, also in other containers, may use it at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, key: str) -> Path:
        """Return the folder of the plan `key`."""
        return self._root / key

    def lock(self, key: str) -> FileLock:
        """Return the lock to hold while building the plan `key`; the system frees it when its holder dies."""
        self._root.mkdir(parents=True, exist_ok=True)
        return FileLock(self._root / f"{key}.lock")

    def timing_cache(self, tensorrt: str, gpu: str | None) -> Path:
        """Return the file of kernel timings, which belong to one TensorRT and one kind of GPU."""
        owner = hashlib.sha256(f"{tensorrt} {gpu}".encode()).hexdigest()[:KEY_LENGTH]
        return self._root / f"timings-{owner}.cache"

    def find(self, key: str) -> PlanFile | None:
        """Return the plan `key` if it is there, whole, and what its key says; else None, and the log says why."""
        plan = self.folder(key) / PLAN
        try:
            manifest = Manifest.model_validate_json((self.folder(key) / MANIFEST).read_bytes())
            problem = _problem(key, manifest, plan)
        except FileNotFoundError:
            return None
        except ValidationError:
            problem = "its manifest cannot be read"
        except OSError as error:
            problem = f"it cannot be read ({error.strerror})"
        if problem:
            log.warning("engine %s is not used: %s", key, problem)
            return None
        return PlanFile(plan, manifest)

    def keep(self, identity: Identity, description: dict[str, Any], built_at: str) -> PlanFile:
        """Accept the plan that was built in the folder of `identity`, by writing its manifest."""
        folder = self.folder(identity.key)
        plan = folder / PLAN
        manifest = Manifest(
            key=identity.key,
            identity=identity,
            tensors=description["tensors"],
            layers=description["layers"],
            build_seconds=description["seconds"],
            built_at=built_at,
            size=plan.stat().st_size,
            sha256=sha256(plan),
        )
        write_atomic(folder / MANIFEST, manifest.model_dump_json(indent=1))
        return PlanFile(plan, manifest)

    def touch(self, key: str) -> None:
        """Note that the plan `key` was used: pruning begins with those not used for longest."""
        os.utime(self.folder(key))

    def keys(self) -> list[str]:
        """Return the keys of all folders, the most recently used first; not all of them may hold a whole plan."""
        folders = [folder for folder in self._root.glob("*") if folder.is_dir()]
        return [folder.name for folder in sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)]

    def size(self, key: str) -> int:
        """Return the bytes that the folder of `key` takes."""
        return sum(file.stat().st_size for file in self.folder(key).iterdir())

    def prune(self, limit: int, keep: str | None = None) -> list[str]:
        """Remove the plans not used for longest until the rest takes at most `limit` bytes; return their keys.

        The plan `keep` stays, and so does any that somebody is building.
        """
        removed, total = [], 0
        for key in sorted(self.keys(), key=lambda key: key != keep):
            size = self.size(key)
            if total + size <= limit or key == keep:
                total += size
            elif self._remove(key):
                removed.append(key)
        return removed

    def _remove(self, key: str) -> bool:
        try:
            with self.lock(key).acquire(timeout=0):
                shutil.rmtree(self.folder(key))
        except Timeout:
            return False
        log.info("engine %s removed: not used for longest, and the cache is full (ENGINE_CACHE_GB)", key)
        return True

    def plans(self) -> Iterator[PlanFile]:
        """Yield every whole plan, the most recently used first."""
        for key in self.keys():
            if plan := self.find(key):
                yield plan


def _problem(key: str, manifest: Manifest, plan: Path) -> str | None:
    if not key == manifest.key == manifest.identity.key:
        return f"its manifest is of the engine {manifest.identity.key}"
    size = plan.stat().st_size
    if size != manifest.size:
        return f"it has {size} bytes, expected {manifest.size}"
    return None if sha256(plan) == manifest.sha256 else "its content is not what was built"
