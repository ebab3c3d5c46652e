"""The checks: packages, driver and GPU, its libraries, memory, shared memory, disk, ports, open files, tritonserver, model."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from server import cuda_compat, descriptors, shared_memory, visible_gpus
from server.addresses import can_bind, is_loopback
from server.hardware import MOST_DECODERS, no_gpu, resolve
from server.home import ROOT
from server.kept import served_at_start
from server.limits import available_cores, memory_limit
from server.model import artifacts
from server.model.ensure import exported
from server.nvml import hidden_count
from server.paths import checkout_problem
from server.preflight import gpu
from server.settings import Settings, SettingsError
from server.triton.installation import InstallationError, find_installation
from server.triton.tensorrt_backend import unavailable_reason
from server.versions import look, remedy

GIB = 2**30
MIB = 2**20

MEMORY_NEEDED = 5 * GIB
"""Resident memory of the stack on a CPU with the largest batch, measured with `ps` (docs/performance.md), rounded up."""

DISK_NEEDED = 2 * GIB
"""Weights, reference and two ONNX files take 0.9 GB; writing a new one beside an old one, half as much again."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        level: `fail` stops the start.
        remedy: what to do, unless all is well.
    """

    subject: str
    level: Literal["ok", "warn", "fail"]
    found: str
    remedy: str | None = None


def run_checks(settings: Settings) -> list[Finding]:
    """Run every check; none of them changes anything."""
    device = _device(settings)
    return [
        _packages(),
        _served(settings),
        device,
        *(_libraries(settings) if device.level == "ok" else ()),
        _memory(),
        _shared_memory(settings),
        _disk(settings),
        _temporary(),
        _ports(settings),
        _descriptors(settings),
        _access(settings),
        _checkout(),
        _triton(settings),
        _model(settings),
    ]


def _packages() -> Finding:
    versions = look()
    if versions.foreign:
        return Finding("packages", "fail", "; ".join(versions.foreign), remedy())
    if versions.other:
        return Finding("packages", "warn", "; ".join(versions.other), remedy())
    return Finding("packages", "ok", f"{', '.join(versions.found)}, as uv.lock has them")


def _served(settings: Settings) -> Finding:
    backends, outranked = served_at_start(settings)
    if outranked:
        return Finding("backends", "warn", outranked, "nothing, if that is meant; see `bakeoff keep`")
    left_out = [name for name in settings.backends if name not in backends]
    found = f"; {', '.join(left_out)} not started, because of `bakeoff keep`" if left_out else ""
    return Finding("backends", "ok", f"{', '.join(backends)}{found}")


def _device(settings: Settings) -> Finding:
    try:
        hardware = resolve(settings)
    except SettingsError as error:
        return Finding("GPU", "fail", str(error), "see the message")
    if hardware.device == "cuda" and (problem := cuda_compat.problem()):
        return Finding(
            "GPU", "fail", f"driver {hardware.gpus[0].driver}: {problem[0]}", f"{problem[1]}; or set DEVICE=cpu"
        )
    if (wrong := visible_gpus.problem()) is not None:
        return Finding("GPU", "warn", wrong, "correct the list; `nvidia-smi -L` has the names")
    if hardware.gpus:
        listed = ", ".join(
            f"{gpu.name} ({gpu.memory_total / GIB:.0f} GiB, {gpu.memory_free / GIB:.0f} free, driver {gpu.driver})"
            for gpu in hardware.gpus
        )
        hidden = f"; {count} hidden by {visible_gpus.VARIABLE}" if (count := hidden_count()) else ""
        return Finding("GPU", "ok", f"{listed}; {hardware.precision.upper()}{hidden}")
    runs = f"everything runs on {hardware.threads} CPU threads in {hardware.precision.upper()}"
    return Finding("GPU", "ok", f"none, because {no_gpu()}, so {runs}" if hidden_count() else f"none, so {runs}")


def _libraries(settings: Settings) -> list[Finding]:
    hardware = resolve(settings)
    if hardware.device == "cpu":
        return []
    problem = gpu.problem()
    found = [
        Finding("CUDA libraries", "fail", *problem)
        if problem
        else Finding("CUDA libraries", "ok", "what they compute is right")
    ]
    if "tensorrt" in settings.backends and not unavailable_reason(hardware):
        found.append(_tensorrt(settings))
    return found


def _tensorrt(settings: Settings) -> Finding:
    if problem := gpu.tensorrt_problem():
        required = "tensorrt" in (settings.required_backends or settings.backends)
        return Finding("TensorRT", "fail" if required else "warn", *problem)
    return Finding("TensorRT", "ok", "its builder is there, in the version that Triton loads")


def _memory() -> Finding:
    available = psutil.virtual_memory().available
    limit = memory_limit()
    usable = min(available, limit) if limit else available
    found = f"{usable / GIB:.1f} GiB available"
    if usable < MEMORY_NEEDED:
        return Finding(
            "memory",
            "warn",
            found,
            f"all backends together take up to {MEMORY_NEEDED / GIB:.0f} GiB; run fewer with BACKENDS=...",
        )
    return Finding("memory", "ok", found)


def _shared_memory(settings: Settings) -> Finding:
    total, tritons = shared_memory.size(), len(settings.tritons)
    found = f"/dev/shm has {total / MIB:.0f} MiB"
    if not tritons:
        return Finding("shared memory", "ok", f"{found}; none is needed")
    if not total:
        return Finding("shared memory", "fail", "there is no /dev/shm", "mount a tmpfs there; Triton needs it")
    batch = settings.max_batch_size
    if shared_memory.largest_batch(2 * batch, tritons) <= batch:
        found = f"{found}, which holds batches of up to {batch} images and one image process in each Triton"
        return Finding("shared memory", "warn", found, "start the container with --shm-size=1g for more")
    wanted = min(available_cores(), MOST_DECODERS)
    if (decoders := shared_memory.most_decoders(wanted, batch, tritons)) < wanted:
        found = f"{found}, which holds {decoders} of {wanted} image processes in each Triton"
        return Finding("shared memory", "warn", found, "start the container with --shm-size=1g for more")
    return Finding("shared memory", "ok", found)


def _disk(settings: Settings) -> Finding:
    folder = settings.bakeoff_home
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(
            "disk",
            "fail",
            f"{folder}: {error.strerror}",
            "make the folder writable, or set BAKEOFF_HOME to one that is",
        )
    free = shutil.disk_usage(folder).free
    found = f"{free / GIB:.1f} GiB free in {folder}"
    if free < DISK_NEEDED and _known_model(settings) is None:
        return Finding(
            "disk",
            "fail",
            found,
            f"the model's files need {DISK_NEEDED / GIB:.0f} GiB; free some, or set BAKEOFF_HOME elsewhere",
        )
    return Finding("disk", "ok", found)


def _temporary() -> Finding:
    folder = Path(os.environ.get("TMPDIR") or "/tmp")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(
            "temporary files",
            "fail",
            f"{folder} cannot be written",
            "with a read-only root start the container with --tmpfs /tmp, or set TMPDIR",
        )
    return Finding("temporary files", "ok", str(folder))


def _ports(settings: Settings) -> Finding:
    served = {*served_at_start(settings).backends, "pytorch"}  # 8002 is the gateway's where pytorch is not served
    used = {name: value for name, value in settings if name.endswith("_port") and name.split("_")[0] in served}
    try:
        taken = [f"{port} ({name.upper()})" for name, port in used.items() if not can_bind(settings.host, port)]
    except OSError as error:
        return Finding(
            "ports",
            "fail",
            f"HOST={settings.host} cannot be bound: {error.strerror}",
            "set HOST to an address of this machine; where it has no IPv6, 127.0.0.1 or 0.0.0.0",
        )
    if taken:
        return Finding(
            "ports",
            "fail",
            f"{', '.join(taken)} in use on {settings.host}",
            "stop what listens there (`bakeoff down` for a stack of ours), or set another port",
        )
    return Finding("ports", "ok", f"{', '.join(str(port) for port in used.values())} free on {settings.host}")


def _descriptors(settings: Settings) -> Finding:
    wanted, limit = settings.max_connections, descriptors.limit()
    most = descriptors.most_connections(wanted, passed_on="pytorch" not in served_at_start(settings).backends)
    remedy = "raise the hard limit (`ulimit -Hn`, or `docker run --ulimit nofile=65536`)"
    if limit < descriptors.LEAST:
        return Finding("open files", "fail", f"{limit} a process, of at least {descriptors.LEAST}", remedy)
    if most < wanted:
        found = f"{limit} a process, so that 8002 takes {most} connections instead of {wanted} (MAX_CONNECTIONS)"
        return Finding("open files", "warn", found, remedy)
    return Finding("open files", "ok", f"{limit} a process")


def _access(settings: Settings) -> Finding:
    if settings.keys:
        found = f"every port but liveness asks for a key ({len(settings.keys)} known)"
        if settings.tritons and len(settings.keys) > 1:
            found = f"{found}; Triton knows the first only, the others open {settings.pytorch_http_port}"
            return Finding("access", "warn", found, "give the first to whoever calls Triton's ports")
        return Finding("access", "ok", found)
    found = f"no API_KEY, so the ports are open to everybody who reaches {settings.host}"
    if is_loopback(settings.host):
        return Finding("access", "ok", found)
    return Finding("access", "warn", found, "set API_KEY unless nobody else can reach them")


def _checkout() -> Finding:
    if problem := checkout_problem(str(ROOT)):
        return Finding("checkout", "fail", problem.partition("; ")[0], problem.partition("; ")[2])
    return Finding("checkout", "ok", str(ROOT))


def _triton(settings: Settings) -> Finding:
    if not settings.tritons:
        return Finding("tritonserver", "ok", "not needed by the enabled backends")
    try:
        installation = find_installation()
    except InstallationError as error:
        return Finding("tritonserver", "fail", str(error), "see the message")
    return Finding("tritonserver", "ok", str(installation.binary))


def _known_model(settings: Settings) -> artifacts.ModelArtifacts | None:
    try:
        return exported(settings)
    except SettingsError:  # which `_device` has found, too
        return None


def _model(settings: Settings) -> Finding:
    model = _known_model(settings)
    if model is None:
        other = artifacts.read(settings) or artifacts.read_baked(settings)
        instead = f" (what is there was made for PRETRAINED={other.pretrained})" if other else ""
        return Finding("model", "ok", f"{settings.pretrained}, not exported yet{instead}; the start will do it")
    if model.note:
        return Finding("model", "warn", model.note)
    return Finding("model", "ok", f"{model.source}, exported")
