"""What a tritonserver that was killed has left behind: the processes of its Python models, some of which never notice."""

from pathlib import Path

import psutil


def end_orphans(home: Path, repository: Path) -> int:
    """Kill every process in `home` whose command line names a file of a rendered model repository; return their number.

    Args:
        home: the folder that a tritonserver and its processes run in.
        repository: relative to it, as they are told of it.

    To be called before a tritonserver is started on it: until then all of them are orphans, and hold memory, also the GPU's.
    """
    ended = 0
    for process in psutil.process_iter():
        try:
            if any(argument.startswith(f"{repository}/") for argument in process.cmdline()) and Path(
                process.cwd()
            ).samefile(home):
                process.kill()
                ended += 1
        except (psutil.Error, OSError):
            continue
    return ended
