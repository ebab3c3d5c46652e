"""Ending programs of this stack: at once, so that supervisord starts them again, or in good order before all is stopped."""

import contextlib
import os

import psutil


def kill_program(name: str) -> bool:
    """Kill a program of this stack's supervisord and all that it has started; return False when it does not run.

    SIGKILL also ends what is stopped or stuck, and its children: one that was stopped would keep port and GPU.
    """
    program = find_program(name)
    if program is None:
        return False
    family = [program]
    with contextlib.suppress(psutil.Error):  # it has just ended
        family += program.children(recursive=True)
    for process in family:
        try:
            process.kill()
        except psutil.Error:
            continue
    return True


def stop_program(name: str) -> psutil.Process | None:
    """Send SIGTERM to a program of this stack's supervisord and return it; None when it does not run."""
    program = find_program(name)
    if program is None:
        return None
    with contextlib.suppress(psutil.Error):
        program.terminate()
    return program


def find_program(name: str) -> psutil.Process | None:
    """Return supervisord's child that runs the program `name`; supervisord has written the name into its environment."""
    for process in psutil.Process(os.getppid()).children():
        try:
            if process.environ().get("SUPERVISOR_PROCESS_NAME") == name:
                return process
        except psutil.Error:
            continue
    return None
