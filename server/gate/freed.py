"""Seeing that what a program held is free again: its processes have ended, and so has their hold on the GPU."""

import contextlib
import time

import psutil

from server.live.machine import gpu_loads, gpu_processes
from server.processes.programs import find_program

LOOK_EVERY_S = 0.2
SETTLES_S = 1.0
"""For how long the GPU's used memory must not change: a driver takes back what a dead process had within moments."""

LONGEST_S = 10.0


class Holdings:
    """What a program holds, taken note of while it runs."""

    def __init__(self, program: str) -> None:
        """Look at it.

        Args:
            program: supervisord's name for it.
        """
        top = find_program(program)
        self._family = [top] if top else []
        if top:
            with contextlib.suppress(psutil.Error):  # it has just ended
                self._family += top.children(recursive=True)
        self._gpu_memory = _gpu_memory()

    def wait(self, seconds: float) -> bool:
        """Wait until its processes have ended; kill those that have not after `seconds`, and return whether there were any."""
        _, alive = psutil.wait_procs(self._family, timeout=seconds)
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(alive, timeout=LONGEST_S)
        return bool(alive)

    def freed(self) -> int | None:
        """Return the bytes of GPU memory that are used no more since then; None without a GPU."""
        if self._gpu_memory is None:
            return None
        own = {process.pid for process in self._family}
        deadline = time.monotonic() + LONGEST_S
        used, since = _gpu_memory(), time.monotonic()
        while time.monotonic() < deadline and (own & gpu_processes() or time.monotonic() - since < SETTLES_S):
            time.sleep(LOOK_EVERY_S)
            if (now := _gpu_memory()) != used:
                used, since = now, time.monotonic()
        return max(0, self._gpu_memory - used) if used is not None else None


def _gpu_memory() -> int | None:
    """Return the used bytes of all GPUs; None without one."""
    loads = gpu_loads()
    return sum(load.memory_used or 0 for load in loads) if loads else None
