"""What a tritonserver that was killed has left behind: the processes of its Python models, some of which never notice."""

from pathlib import Path

import psutil


def end_orphans(repository: Path) -> int:
    """Kill every process whose command line names a file of a rendered model repository; return their number.

    To be called before a tritonserver is started on it: until then all of them are orphans, and hold memory, also the GPU's.
    """
    ended = 0
    for process in psutil.process_iter():
        try:
            if any(argument.startswith(f"{repository}/") for argument in process.cmdline()):
                process.kill()
                ended += 1
        except psutil.Error:
            continue
    return ended
