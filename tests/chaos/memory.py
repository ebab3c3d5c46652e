"""Faults of memory: what is in it is wrong, or there is no more of it."""

import resource
from collections.abc import Callable
from pathlib import Path

from tests.chaos.processes import first
from tests.stack.stack import RunningStack

SMALL_FLOAT = b"\x3c" * 4
"""0.0115 as FP32: numbers that a network computes with, and that give another embedding."""

OVERWRITTEN = 16 << 20
"""Bytes: some whole matrices of the model."""

SPARE = 8 << 20
"""Bytes that a process may still take when its memory is limited."""


def overwrite(pattern: str) -> Callable[[RunningStack], None]:
    """Return a fault: a part of the model in a process's memory is overwritten, as a GPU's faulty memory would do it."""

    def inject(stack: RunningStack) -> None:
        pid = first(stack, pattern).pid
        start, end = max(_writable(pid), key=lambda area: area[1] - area[0])
        with Path(f"/proc/{pid}/mem").open("r+b", buffering=0) as file:
            file.seek((start + end) // 2 & ~0xFFF)
            file.write(SMALL_FLOAT * (min(OVERWRITTEN, (end - start) // 4) // len(SMALL_FLOAT)))

    return inject


def _writable(pid: int) -> list[tuple[int, int]]:
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
        addresses, permissions, _, _, inode, *_ = line.split()
        if permissions == "rw-p" and inode == "0":
            start, _, end = addresses.partition("-")
            found.append((int(start, 16), int(end, 16)))
    return found


def exhaust(pattern: str) -> Callable[[RunningStack], Callable[[], None]]:
    """Return a fault: a process gets no more memory from the kernel."""

    def inject(stack: RunningStack) -> Callable[[], None]:
        process = first(stack, pattern)
        before = resource.prlimit(process.pid, resource.RLIMIT_AS)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (process.memory_info().vms + SPARE, before[1]))

        def undo() -> None:
            if process.is_running():
                resource.prlimit(process.pid, resource.RLIMIT_AS, before)

        return undo

    return inject
