"""One look at the GPUs through NVML; what a GPU or its driver does not support is None."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pynvml

from server.nvml import ask, handles, of_whole_gpu

THROTTLE_REASONS = {
    0x0002: "applications_clocks_setting",
    0x0004: "sw_power_cap",
    0x0008: "hw_slowdown",
    0x0010: "sync_boost",
    0x0020: "sw_thermal_slowdown",
    0x0040: "hw_thermal_slowdown",
    0x0080: "hw_power_brake_slowdown",
    0x0100: "display_clock_setting",
}
"""Bits of `nvmlDeviceGetCurrentClocksThrottleReasons`, from nvml.h; 0x1 is `idle`, which holds nothing back."""


@dataclass(frozen=True)
class Look:
    """One GPU at one moment: parts (0 to 1), bytes, watts, joules since the driver was loaded, MHz, degrees Celsius."""

    utilisation: float | None
    memory_bytes: int | None
    power_w: float | None
    energy_j: float | None
    sm_clock_mhz: float | None
    memory_clock_mhz: float | None
    temperature_c: float | None
    throttle_reasons: tuple[str, ...] | None


class Gpus:
    """GPUs; none where there is no driver."""

    def __init__(self, uuids: Sequence[str] = ()) -> None:
        """Open those with these UUIDs, as a stack tells of its own; when none is given, those that CUDA shows here."""
        self._handles: list[Any] = []
        self.names: list[str] = []
        self._open = False
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return
        self._open = True
        for handle in ask(handles, uuids or None) or []:
            self._handles.append(handle)
            self.names.append(str(of_whole_gpu(pynvml.nvmlDeviceGetName, handle)))

    def close(self) -> None:
        """Let the driver go."""
        if self._open:
            pynvml.nvmlShutdown()
        self._open, self._handles = False, []

    def look(self) -> list[Look]:
        """Look at every GPU once."""
        return [_look(handle) for handle in self._handles]

    def memory_by_process(self) -> dict[int, int]:
        """Return bytes by process id, over all GPUs; processes whose memory the driver does not tell are left out."""
        found: dict[int, int] = {}
        for handle in self._handles:
            for entry in ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or []:
                if entry.usedGpuMemory is not None:
                    found[entry.pid] = found.get(entry.pid, 0) + entry.usedGpuMemory
        return found


def memory_by_process() -> dict[int, int]:
    """Return bytes of GPU memory by process id; empty without a GPU."""
    gpus = Gpus()
    try:
        return gpus.memory_by_process()
    finally:
        gpus.close()


def _look(handle: Any) -> Look:
    rates = ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
    memory = ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
    milliwatts = ask(pynvml.nvmlDeviceGetPowerUsage, handle)
    millijoules = ask(pynvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    reasons = ask(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    return Look(
        utilisation=None if rates is None else rates.gpu / 100,
        memory_bytes=None if memory is None else memory.used,
        power_w=None if milliwatts is None else milliwatts / 1e3,
        energy_j=None if millijoules is None else millijoules / 1e3,
        sm_clock_mhz=ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM),
        memory_clock_mhz=ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_MEM),
        temperature_c=ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        throttle_reasons=None
        if reasons is None
        else tuple(name for bit, name in THROTTLE_REASONS.items() if reasons & bit),
    )
