"""A double of `pynvml`'s list of devices, and of CUDA's answer: a machine whose GPUs and MIG instances are invented."""

from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from server import visible_gpus
from server.visible_gpus import Answer


class NvmlDouble:
    """Handles are UUIDs; NVML's order is that of `gpus`. A MIG instance answers what NVML documents for one, and no more."""

    def __init__(self, gpus: dict[str, str], instances: dict[str, str] | None = None) -> None:
        """Invent a machine.

        Args:
            gpus: names by UUID.
            instances: the UUID of its GPU by that of a MIG instance.
        """
        self.gpus = gpus
        self.instances = instances or {}

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the library's place."""
        for name, function in {
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlDeviceGetCount": lambda: len(self.gpus),
            "nvmlDeviceGetHandleByIndex": lambda index: list(self.gpus)[index],
            "nvmlDeviceGetHandleByUUID": self._by_uuid,
            "nvmlDeviceGetUUID": lambda handle: handle,
            "nvmlDeviceGetName": self._whole(lambda handle: self.gpus[handle]),
            "nvmlDeviceGetCudaComputeCapability": self._whole(lambda _: (9, 0)),
            "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=2**34, free=2**33, used=2**33),
            "nvmlDeviceGetUtilizationRates": self._whole(lambda _: SimpleNamespace(gpu=50)),
            "nvmlDeviceGetPowerUsage": self._whole(lambda _: 200_000),
            "nvmlDeviceGetComputeRunningProcesses": lambda _: [],
            "nvmlSystemGetDriverVersion": lambda: "580.1",
            "nvmlDeviceGetDeviceHandleFromMigDeviceHandle": self._parent,
        }.items():
            monkeypatch.setattr(pynvml, name, function)

    def _by_uuid(self, uuid: str) -> str:
        if uuid not in self.gpus | self.instances:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    def _parent(self, handle: str) -> str:
        if handle not in self.instances:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return self.instances[handle]

    def _whole(self, answer: Any) -> Any:
        def function(handle: str) -> Any:
            if handle in self.instances:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return answer(handle)

        return function


def cuda_answers(monkeypatch: pytest.MonkeyPatch, value: str | None, status: int, *uuids: str) -> None:
    """Set CUDA_VISIBLE_DEVICES, and what CUDA says then."""
    if value is None:
        monkeypatch.delenv(visible_gpus.VARIABLE, raising=False)
    else:
        monkeypatch.setenv(visible_gpus.VARIABLE, value)
    monkeypatch.setattr(visible_gpus, "_answer", lambda _value, _order: Answer(status, uuids))
