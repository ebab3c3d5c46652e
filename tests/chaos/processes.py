"""Finding and signalling the stack's processes."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.stack.stack import RunningStack, command_line

PROGRAMS = {"pytorch": "-m server.pytorch", "onnx": "bin/tritonserver"}
"""By backend: words of its program's command line."""


def resident(stack: RunningStack, backend: str) -> int:
    """Return the bytes of memory that a backend's processes hold; what they share counts in each."""
    top = stack.program(PROGRAMS[backend])
    found = 0
    for process in (top, *top.children(recursive=True)):
        try:
            found += process.memory_info().rss
        except psutil.Error:
            continue
    return found


def first(stack: RunningStack, pattern: str) -> psutil.Process:
    """Return the stack's first process whose command line has the pattern; parents come before their children."""
    for process in stack.processes():
        if re.search(pattern, command_line(process)):
            return process
    raise AssertionError(f"no process with {pattern!r}")


def send(pattern: str, number: signal.Signals) -> Callable[[RunningStack], None]:
    """Return a fault: a signal to the first process with the pattern."""

    def inject(stack: RunningStack) -> None:
        first(stack, pattern).send_signal(number)

    return inject


def stop_for_a_while(pattern: str) -> Callable[[RunningStack], Callable[[], None]]:
    """Return a fault: SIGSTOP, undone by SIGCONT."""

    def inject(stack: RunningStack) -> Callable[[], None]:
        process = first(stack, pattern)
        process.suspend()
        return process.resume

    return inject


def left_behind(home: Path) -> list[str]:
    """Return the command lines of processes that still name a file of a stack that has been stopped."""
    return [line for process in psutil.process_iter() if f"{home}/" in (line := command_line(process))]
