"""How busy the machine is: its GPUs through NVML, its processors and its memory through the system."""

import os
from dataclasses import dataclass
from typing import Any

import psutil
import pynvml


@dataclass(frozen=True)
class GpuLoad:
    """One GPU at one moment: a part (0 to 1), bytes, watts; None is what it or its driver does not tell."""

    index: int
    uuid: str
    utilisation: float | None
    memory_used: int | None
    memory_total: int | None
    power_w: float | None


def gpu_loads() -> list[GpuLoad]:
    """Look at every GPU; none without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_look(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def gpu_memory_by_program(programs: tuple[str, ...]) -> dict[str, int]:
    """Return bytes of GPU memory by supervisord program.

    A program is missing where the driver does not tell, as in containers whose process ids are not the driver's.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    try:
        by_process: dict[int, int] = {}
        for index in range(pynvml.nvmlDeviceGetCount()):
            for entry in pynvml.nvmlDeviceGetComputeRunningProcesses(pynvml.nvmlDeviceGetHandleByIndex(index)):
                by_process[entry.pid] = by_process.get(entry.pid, 0) + (entry.usedGpuMemory or 0)
    except pynvml.NVMLError:
        return {}
    finally:
        pynvml.nvmlShutdown()
    found: dict[str, int] = {}
    for pid, used in by_process.items():
        if (program := _program(pid)) in programs and used:
            found[program] = found.get(program, 0) + used
    return found


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
    return len(os.sched_getaffinity(0))


def _look(index: int) -> GpuLoad:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    rates = _ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
    memory = _ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
    milliwatts = _ask(pynvml.nvmlDeviceGetPowerUsage, handle)
    return GpuLoad(
        index,
        str(_ask(pynvml.nvmlDeviceGetUUID, handle)),
        None if rates is None else rates.gpu / 100,
        None if memory is None else memory.used,
        None if memory is None else memory.total,
        None if milliwatts is None else milliwatts / 1e3,
    )


def _ask(question: Any, handle: Any) -> Any:
    try:
        return question(handle)
    except pynvml.NVMLError:
        return None


def _program(pid: int) -> str:
    """Return the program that supervisord started as this process or as one above it."""
    try:
        return str(psutil.Process(pid).environ().get("SUPERVISOR_PROCESS_NAME", ""))
    except (psutil.Error, OSError):
        return ""
