"""What this machine has, and what `auto` in the settings therefore means."""

import os
from dataclasses import dataclass
from typing import Literal

import psutil
import pynvml

from server.settings import Settings, SettingsError


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU as the driver reports it; memory in bytes."""

    index: int
    name: str
    compute_capability: tuple[int, int]
    memory_total: int
    memory_free: int
    driver: str


@dataclass(frozen=True)
class Hardware:
    """The resolved choice: device and precision of all backends, and how many threads each may use."""

    device: Literal["cuda", "cpu"]
    precision: Literal["fp16", "fp32"]
    threads: int
    decode_workers: int
    warmup_max_batch: int
    gpus: tuple[Gpu, ...]


def gpus() -> tuple[Gpu, ...]:
    """Ask the NVIDIA driver for its GPUs; an empty tuple when there is no driver or no GPU."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        driver = pynvml.nvmlSystemGetDriverVersion()
        found = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            found.append(
                Gpu(
                    index,
                    pynvml.nvmlDeviceGetName(handle),
                    pynvml.nvmlDeviceGetCudaComputeCapability(handle),
                    memory.total,
                    memory.free,
                    driver,
                )
            )
        return tuple(found)
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def available_cores() -> int:
    """Return how many cores this process may use: its affinity mask, which container CPU sets narrow."""
    return len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count() or 1


def resolve(settings: Settings) -> Hardware:
    """Decide what `auto` and 0 mean on this machine.

    Raises:
        SettingsError: `DEVICE=cuda` without a GPU, or `PRECISION=fp16` on a CPU, which no backend computes well.
    """
    found = gpus()
    if settings.device == "cuda" and not found:
        raise SettingsError(
            "DEVICE='cuda': the NVIDIA driver reports no GPU; start the container with `--gpus all`, or set DEVICE=cpu"
        )
    device: Literal["cuda", "cpu"] = "cuda" if found and settings.device != "cpu" else "cpu"
    if device == "cpu" and settings.precision == "fp16":
        raise SettingsError("PRECISION='fp16': needs a GPU; on a CPU set PRECISION=fp32 or leave it at auto")
    on_gpu = device == "cuda"
    cores = available_cores()
    return Hardware(
        device=device,
        precision=("fp16" if on_gpu else "fp32") if settings.precision == "auto" else settings.precision,
        threads=settings.cpu_threads or cores,
        decode_workers=settings.decode_workers or min(cores, 8),
        warmup_max_batch=min(
            settings.max_batch_size, settings.warmup_max_batch or (settings.max_batch_size if on_gpu else 16)
        ),
        gpus=found,
    )
