"""The processes in which a Triton has its Python models, and whether one of them has ended."""

import contextlib

import psutil

from server.processes.programs import find_program

STUB = "triton_python_backend_stub"
"""The Python backend's program; Triton starts one for each instance of a model, and none again that has ended."""


class ModelProcesses:
    """Those of a program that runs; none for a program that is no Triton."""

    def __init__(self, program: str) -> None:
        """Find them.

        Args:
            program: supervisord's name for it.
        """
        top = find_program(program)
        family = []
        if top:
            with contextlib.suppress(psutil.Error):  # it has just ended
                family = top.children(recursive=True)
        self._with_parents: list[tuple[psutil.Process, psutil.Process]] = []
        for process in family:
            with contextlib.suppress(psutil.Error):
                parent = process.parent()
                if process.name() == STUB and parent:
                    self._with_parents.append((process, parent))

    def one_has_ended(self) -> bool:
        """Tell whether one has ended while the Triton that started it still runs."""
        return any(_has_ended(process) and not _has_ended(parent) for process, parent in self._with_parents)


def _has_ended(process: psutil.Process) -> bool:
    """Tell whether a process has ended, also while its parent has not taken note of that."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
