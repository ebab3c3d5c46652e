"""A test double of `pynvml`: one GPU whose readings are scripted."""

from types import SimpleNamespace
from typing import Any

import pytest

from bench.telemetry import nvml
from server import visible_gpus


class NvmlDouble:
    """Stands for the functions that `bench.telemetry.nvml` calls; a reading of None is not supported by this GPU."""

    def __init__(self) -> None:
        self.utilisation: int | None = 50
        self.memory: int | None = 3 * 2**30
        self.milliwatts: int | None = 200_000
        self.millijoules: int | None = 1_000_000
        self.sm_clock: int | None = 1700
        self.memory_clock: int | None = 2600
        self.temperature: int | None = 41
        self.reasons: int | None = 0
        self.by_process: dict[int, int | None] = {}
        self.opened = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        library = nvml.pynvml
        monkeypatch.setattr(visible_gpus, "uuids", lambda: None)

        def tell(attribute: str, wrap: Any = lambda value: value) -> Any:
            def answer(handle: str, *_: Any) -> Any:
                assert handle == "gpu 0"
                value = getattr(self, attribute)
                if value is None:
                    raise library.NVMLError(library.NVML_ERROR_NOT_SUPPORTED)
                return wrap(value)

            return answer

        def clock(handle: str, kind: int) -> Any:
            return tell("sm_clock" if kind == library.NVML_CLOCK_SM else "memory_clock")(handle)

        def processes(_: str) -> list[Any]:
            return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in self.by_process.items()]

        for name, function in {
            "nvmlInit": lambda: self._count(1),
            "nvmlShutdown": lambda: self._count(-1),
            "nvmlDeviceGetCount": lambda: 1,
            "nvmlDeviceGetHandleByIndex": lambda index: f"gpu {index}",
            "nvmlDeviceGetName": lambda _: "Double",
            "nvmlDeviceGetUtilizationRates": tell("utilisation", lambda value: SimpleNamespace(gpu=value)),
            "nvmlDeviceGetMemoryInfo": tell("memory", lambda value: SimpleNamespace(used=value)),
            "nvmlDeviceGetPowerUsage": tell("milliwatts"),
            "nvmlDeviceGetTotalEnergyConsumption": tell("millijoules"),
            "nvmlDeviceGetClockInfo": clock,
            "nvmlDeviceGetTemperature": lambda handle, _: tell("temperature")(handle),
            "nvmlDeviceGetCurrentClocksThrottleReasons": tell("reasons"),
            "nvmlDeviceGetComputeRunningProcesses": processes,
        }.items():
            monkeypatch.setattr(library, name, function)

    def _count(self, change: int) -> None:
        self.opened += change
