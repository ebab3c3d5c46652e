"""How busy the machine is: its GPUs through NVML, its processors and its memory through the system."""

from dataclasses import dataclass
from typing import Any

import psutil
import pynvml

from server.limits import available_cores
from server.nvml import ask, of_each_gpu


@dataclass(frozen=True)
class GpuLoad:
    """One GPU at one moment: a part (0 to 1), bytes, watts; None is what it or its driver does not tell."""

    uuid: str
    utilisation: float | None
    memory_used: int | None
    memory_total: int | None
    power_w: float | None


def gpu_loads() -> tuple[GpuLoad, ...]:
    """Look at every GPU that CUDA shows; none without a driver."""
    return of_each_gpu(_look)


def gpu_memory_by_program(programs: tuple[str, ...]) -> dict[str, int]:
    """Return bytes of GPU memory by supervisord program.

    A program is missing where the driver does not tell, as in containers whose process ids are not the driver's.
    """
    found: dict[str, int] = {}
    for entries in of_each_gpu(lambda _, handle: ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle)):
        for entry in entries or ():
            if entry.usedGpuMemory and (program := _program(entry.pid)) in programs:
                found[program] = found.get(program, 0) + entry.usedGpuMemory
    return found


def gpu_processes() -> set[int]:
    """Return the ids of the processes that hold memory of a GPU; none where the driver does not tell."""
    found = of_each_gpu(lambda _, handle: ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle))
    return {entry.pid for entries in found for entry in entries or ()}


def processor_load() -> float:
    """Return the busy part of all processors, 0 to 1, since the last call."""
    return float(psutil.cpu_percent()) / 100


def memory_used() -> int:
    """Return bytes of memory that are not available to programs."""
    memory = psutil.virtual_memory()
    return int(memory.total - memory.available)


def memory_total() -> int:
    """Return bytes of memory."""
    return int(psutil.virtual_memory().total)


def processors() -> int:
    """Return how many processors this process may use."""
    return available_cores()


def _look(_: int, handle: Any) -> GpuLoad:
    rates = ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
    memory = ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
    milliwatts = ask(pynvml.nvmlDeviceGetPowerUsage, handle)
    return GpuLoad(
        str(ask(pynvml.nvmlDeviceGetUUID, handle)),
        None if rates is None else rates.gpu / 100,
        None if memory is None else memory.used,
        None if memory is None else memory.total,
        None if milliwatts is None else milliwatts / 1e3,
    )


def _program(pid: int) -> str:
    """Return the program that supervisord started as this process or as one above it."""
    try:
        return str(psutil.Process(pid).environ().get("SUPERVISOR_PROCESS_NAME", ""))
    except (psutil.Error, OSError):
        return ""
