"""What this machine has, and what `auto` in the settings therefore means."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pynvml

from server import shared_memory
from server.limits import available_cores
from server.nvml import hidden_count, of_each_gpu, of_whole_gpu
from server.setting_types import Precision
from server.settings import Settings, SettingsError
from server.visible_gpus import VARIABLE

MOST_DECODERS = 8
"""Image processes in each backend unless more are asked for."""

CPU_BATCH = 16
"""Images of different requests that a CPU computes together: larger batches are no faster there, and with ONNX Runtime slower
(docs/performance.md, docs/reliability.md)."""


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU, or MIG instance of one, that CUDA shows to programs here; memory in bytes.

    Attributes:
        index: its number to CUDA.
    """

    index: int
    uuid: str
    name: str
    compute_capability: tuple[int, int]
    memory_total: int
    memory_free: int
    driver: str


@dataclass(frozen=True)
class Hardware:
    """The resolved choice: device and precision of all backends, and how many threads and processes each may use."""

    device: Literal["cuda", "cpu"]
    precision: Precision
    decode: Literal["gpu", "cpu"]
    threads: int
    http_workers: int
    decode_workers: int
    warmup_max_batch: int
    gpus: tuple[Gpu, ...]


def gpus() -> tuple[Gpu, ...]:
    """Ask the NVIDIA driver for the GPUs that CUDA shows, in CUDA's order; an empty tuple when there is no driver or no GPU."""
    return of_each_gpu(_gpu)


def no_gpu() -> str:
    """Return why there is no GPU, for a person."""
    if hidden := hidden_count():
        shown = os.environ.get(VARIABLE, "")
        return f"{VARIABLE}={shown} hides the GPUs of this machine ({hidden})"
    return "the driver reports none"


def processor() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return cpu_model(lines) or platform.processor() or platform.machine()


def cpu_model(lines: Iterable[str]) -> str | None:
    """Return the first processor's name from the lines of `/proc/cpuinfo`; None where it has none (Arm)."""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def _gpu(index: int, handle: Any) -> Gpu:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(
        index,
        pynvml.nvmlDeviceGetUUID(handle),
        of_whole_gpu(pynvml.nvmlDeviceGetName, handle),
        of_whole_gpu(pynvml.nvmlDeviceGetCudaComputeCapability, handle),
        memory.total,
        memory.free,
        pynvml.nvmlSystemGetDriverVersion(),
    )


def resolve(settings: Settings) -> Hardware:
    """Decide what `auto` and 0 mean on this machine.

    Raises:
        SettingsError: `DEVICE=cuda` or `DECODE=gpu` without a GPU, or a precision that this device or one of the
            enabled backends does not compute well.
    """
    found = gpus()
    if settings.device == "cuda" and not found:
        raise SettingsError(
            f"DEVICE='cuda': needs an NVIDIA GPU, and {no_gpu()}; start the container with `--gpus all`, or set DEVICE=cpu"
        )
    device: Literal["cuda", "cpu"] = "cuda" if found and settings.device != "cpu" else "cpu"
    on_gpu = device == "cuda"
    if settings.decode == "gpu" and not on_gpu:
        raise SettingsError("DECODE='gpu': needs a GPU; on a CPU set DECODE=cpu or leave it at auto")
    cores = available_cores()
    return Hardware(
        device=device,
        precision=_precision(settings, on_gpu),
        decode="gpu" if on_gpu and settings.decode != "cpu" else "cpu",
        threads=settings.cpu_threads or cores,
        http_workers=settings.http_workers or (min(max(cores // 2, 1), 8) if on_gpu else 1),
        decode_workers=settings.decode_workers
        or shared_memory.most_decoders(min(cores, MOST_DECODERS), settings.max_batch_size, len(settings.tritons)),
        warmup_max_batch=min(
            settings.max_batch_size, settings.warmup_max_batch or (settings.max_batch_size if on_gpu else CPU_BATCH)
        ),
        gpus=found,
    )


def _precision(settings: Settings, on_gpu: bool) -> Precision:
    alone = not settings.tritons
    wanted = settings.precision
    if wanted == "auto":
        if on_gpu:
            return "fp16"
        return "bf16" if alone and cpu_computes_bf16() else "fp32"
    if wanted in ("fp16", "tf32") and not on_gpu:
        raise SettingsError(f"PRECISION={wanted!r}: needs a GPU; on a CPU set PRECISION=fp32 or leave it at auto")
    if wanted == "bf16" and not alone:
        raise SettingsError(
            "PRECISION='bf16': only the PyTorch server computes BF16; set BACKENDS=pytorch as well, or another precision"
        )
    return wanted


def cpu_computes_bf16() -> bool:
    """Tell whether the processor multiplies BF16 matrices in hardware (AVX-512 BF16 or AMX)."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
