"""Looks at every backend's metrics and at the machine every two seconds, for the page and the console."""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable

import httpx

from server.backend_addresses import BackendAddress
from server.hardware import Hardware
from server.live import machine
from server.live.figures import Figures, latency, rates, read_figures
from server.live.history import INTERVAL_S, Recorder
from server.settings import Settings

WINDOW_S = 60.0
"""Over which the percentiles go: as long as Triton's own summaries remember."""

TIMEOUT_S = 1.0

log = logging.getLogger("bakeoff.readiness")


class Sampler:
    """One thread; what it cannot see leaves a gap, and is no reason to stop."""

    def __init__(
        self, served: Callable[[], list[BackendAddress]], recorder: Recorder, stopping: threading.Event
    ) -> None:
        """Prepare; `served` returns the backends that are served at the time."""
        self._served = served
        self._recorder = recorder
        self._stopping = stopping
        self._seen: dict[str, deque[Figures]] = defaultdict(deque)
        self._failing = False

    def run(self) -> None:
        """Look until the gate stops."""
        machine.processor_load()  # measures from here on
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            while not self._stopping.wait(INTERVAL_S):
                try:
                    self._look(client)
                    self._failing = False
                except Exception as error:  # what is only looked at must not harm what is served
                    if not self._failing:
                        log.warning("the live figures are not recorded: %r", error)
                    self._failing = True

    def _look(self, client: httpx.Client) -> None:
        backends = self._served()
        programs = tuple(backend.program for backend in backends)
        memory = machine.gpu_memory_by_program(programs)
        found: dict[str, dict[str, float | None]] = {}
        notes: dict[str, dict[str, str]] = {}
        for backend in backends:
            figures = _ask(client, backend)
            if figures is None:
                self._seen[backend.name].clear()
                continue
            found[backend.name], notes[backend.name] = self._between(backend.name, figures)
            found[backend.name]["gpu_memory"] = memory.get(backend.program)
        self._recorder.add(_machine(), found, notes)

    def _between(self, name: str, now: Figures) -> tuple[dict[str, float | None], dict[str, str]]:
        seen = self._seen[name]
        last = rates(seen[-1], now) if seen else None
        if last is None:
            seen.clear()
        while seen and now.at - seen[0].at > WINDOW_S:
            seen.popleft()
        took = latency(seen[0], now) if seen else None
        seen.append(now)
        unit, waiting = next(iter(now.waiting.items()), ("requests", None))
        values: dict[str, float | None] = {"waiting": waiting}
        if last is not None:
            values.update(vars(last))
        if took is not None:
            values.update(p50_ms=took.p50_ms, p99_ms=took.p99_ms)
        return values, {"waiting": unit, **({"latency": took.model} if took else {})}


def facts(settings: Settings, hardware: Hardware) -> dict[str, object]:
    """Return what does not change about the machine: for people, and the upper ends of charts."""
    return {
        "gpus": [{"name": gpu.name, "memory": gpu.memory_total} for gpu in hardware.gpus],
        "processors": machine.processors(),
        "memory": machine.memory_total(),
        "device": hardware.device,
        "max_batch_size": settings.max_batch_size,
    }


def _ask(client: httpx.Client, backend: BackendAddress) -> Figures | None:
    at = time.monotonic()
    try:
        answer = client.get(backend.metrics_url, headers=backend.header)
        return read_figures(answer.text, at) if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError):
        return None


def _machine() -> dict[str, float | None]:
    loads = machine.gpu_loads()
    used = [load.utilisation for load in loads if load.utilisation is not None]
    return {
        "gpu": sum(used) / len(used) if used else None,
        "gpu_memory": sum(load.memory_used or 0 for load in loads) if loads else None,
        "cpu": machine.processor_load(),
        "memory": machine.memory_used(),
    }
