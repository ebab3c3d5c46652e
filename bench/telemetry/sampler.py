"""Looks at the server's side while a window runs."""

import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import psutil

from bench.errors import BenchError
from bench.telemetry.nvml import Gpus, Look
from bench.telemetry.processes import ServerProcesses, runs_here
from bench.telemetry.record import BackendTelemetry, Telemetry
from bench.telemetry.window import summarise

INTERVAL_S = 0.2
"""Between two looks at the GPUs. NVML renews its own figures every 0.02 to 1 s, by GPU and figure."""


RESIDENT_EVERY_S = 5.0
"""Between two readings of a backend's resident memory, for which the kernel walks all its pages: 0.1 s and more."""


class Sampler:
    """Measures windows, one after the other, from one thread.

    The processes are read at a window's ends only, outside of it; without a GPU nothing runs while it lasts. With GPUs a
    thread looks at them every 0.2 s, and every window tells what that took.
    """

    def __init__(self, urls: Mapping[str, str], gpus: Sequence[str] = ()) -> None:
        """Find what can be looked at.

        Args:
            urls: base URL by backend.
            gpus: UUIDs of the servers' GPUs; when none is given, those that CUDA shows to this process are looked at.
        """
        self._here = {name: url for name, url in urls.items() if runs_here(url)}
        self._names = tuple(urls)
        self._servers: dict[str, ServerProcesses] = {}
        self._gpus = Gpus(gpus) if self._here else None
        self._looks: list[tuple[float, list[Look]]] = []
        self._looking_s = 0.0
        self._cpu_s: dict[str, float] = {}
        self._resident: dict[ServerProcesses, tuple[float, int | None]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """End a window that was begun, and let the GPUs go."""
        self._end_thread()
        if self._gpus:
            self._gpus.close()

    def start_window(self) -> None:
        """Begin a window; call it right before the load begins."""
        self._find()
        self._cpu_s = {name: server.cpu_s() for name, server in self._servers.items()}
        self._looks, self._looking_s = [], 0.0
        self._look()
        if self._gpus and self._gpus.names:
            self._stop.clear()
            self._thread = threading.Thread(target=self._keep_looking, name="telemetry", daemon=True)
            self._thread.start()

    def end_window(self) -> Telemetry:
        """End the window and return its figures; call it right after the load ended.

        A backend that ended or was started anew within the window has no figures.
        """
        self._end_thread()
        self._look()
        cpu_s = {name: server.cpu_s() for name, server in self._servers.items()}
        memory = self._gpus.memory_by_process() if self._gpus else {}
        backends = {name: self._backend(name, cpu_s, memory) for name in self._names}
        moments = [moment for moment, _ in self._looks]
        return Telemetry(
            elapsed_s=moments[-1] - moments[0],
            looking_s=self._looking_s,
            gpus=tuple(
                summarise(index, name, [(moment, looks[index]) for moment, looks in self._looks])
                for index, name in enumerate(self._gpus.names)
            )
            if self._gpus and self._gpus.names
            else None,
            backends=backends,
        )

    def _find(self) -> None:
        for name, url in self._here.items():
            if name not in self._servers or not self._servers[name].alive:
                self._servers.pop(name, None)
                try:
                    self._servers[name] = ServerProcesses(url)
                except BenchError:  # behind a proxy, another user's, or not running
                    continue

    def _backend(self, name: str, cpu_s: dict[str, float], memory: dict[int, int]) -> BackendTelemetry | None:
        server = self._servers.get(name)
        if server is None or not server.alive:
            return None
        return BackendTelemetry(
            processes=len(server.all),
            cpu_s=cpu_s[name] - self._cpu_s[name],
            resident_bytes=self._resident_bytes(server),
            gpu_memory_bytes=server.gpu_bytes(memory),
        )

    def _resident_bytes(self, server: ServerProcesses) -> int | None:
        read, resident = self._resident.get(server, (float("-inf"), None))
        if time.monotonic() - read >= RESIDENT_EVERY_S:
            try:
                resident = server.resident_bytes()
            except (psutil.Error, OSError, AttributeError):  # no PSS: not ours, or a kernel that does not tell it
                resident = None
            self._resident[server] = (time.monotonic(), resident)
        return resident

    def _keep_looking(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            self._look()

    def _look(self) -> None:
        begun = time.perf_counter()
        self._looks.append((begun, self._gpus.look() if self._gpus else []))
        self._looking_s += time.perf_counter() - begun

    def _end_thread(self) -> None:
        if self._thread:
            self._stop.set()
            self._thread.join()
            self._thread = None
