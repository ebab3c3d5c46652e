"""Several such processes, and the threads that wait for them."""

import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from server.isolation.process import Process


class Pool:
    """Does as many things at once as it has processes; more wait, first come, first served."""

    def __init__(
        self, module: str, count: int, *, cpu_s: float, wall_s: float, python: str = sys.executable, **arguments: Any
    ) -> None:
        """Prepare; a process starts when it is first needed, and one that is idle is taken before that.

        Args:
            module: has `run(task, data, **arguments)`, which returns bytes and raises `Refusal`; imported in the processes only.
            count: of processes at most.
            cpu_s: seconds of processor time that one task may take.
            wall_s: seconds that one task may take altogether.
            python: the interpreter.
            arguments: as JSON knows them.
        """
        self._all = [
            Process(module, cpu_s=cpu_s, wall_s=wall_s, python=python, arguments=arguments) for _ in range(count)
        ]
        self._idle = list(self._all)
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=module.rpartition(".")[2])

    @property
    def pids(self) -> list[int]:
        """The processes that have been started."""
        return [process.pid for process in self._all if process.pid is not None]

    def start(self) -> None:
        """Start all processes now, without waiting for them."""
        for process in self._all:
            process.start()

    def submit(self, task: str, data: bytes | memoryview) -> Future[memoryview]:
        """Have `run(task, data)` done; a future that is cancelled in time never begins.

        The future raises `Refusal`, `Costly` or `Crashed`.
        """
        return self._threads.submit(self._ask, task, data)

    def close(self) -> None:
        """End threads and processes; what waits is cancelled, and what is being done ends."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._all:
            process.stop()
        self._threads.shutdown()
        for process in self._all:
            process.close()

    def _ask(self, task: str, data: bytes | memoryview) -> memoryview:
        with self._lock:
            process = self._idle.pop()
        try:
            return process.ask(task, data)
        finally:
            with self._lock:
                self._idle.append(process)
