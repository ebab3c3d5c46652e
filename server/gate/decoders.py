"""How much processor time a backend's decoding processes have taken: one that decodes what is costly does not hang."""

import contextlib

import psutil

from server.processes.programs import find_program

MODULE = "server.isolation"
"""What these processes run, in the PyTorch server and under each Triton."""


def decoding_s(program: str) -> float:
    """Return the seconds that those processes of a program that run now have worked, to a tenth; idle ones add none.

    Args:
        program: supervisord's name for it.
    """
    top = find_program(program)
    total = 0.0
    with contextlib.suppress(psutil.Error):  # it has just ended
        for process in top.children(recursive=True) if top else []:
            with contextlib.suppress(psutil.Error):
                if MODULE in process.cmdline():
                    times = process.cpu_times()
                    total += times.user + times.system
    return round(total, 1)
