"""Starting and stopping the stack from the console."""

import os
import subprocess
import time
from pathlib import Path

import psutil

from server.home import ROOT, state_file
from server.processes.supervisor import pid_file
from server.settings import Settings

ENTRYPOINT = ROOT / "entrypoint.sh"

STOP_GRACE_S = 5.0
"""Beyond STOP_TIMEOUT, in which supervisord kills whatever did not stop; then it is killed itself."""


def run_in_foreground() -> None:
    """Become the stack: this process is replaced, as it is in the container."""
    os.execv(ENTRYPOINT, [str(ENTRYPOINT)])


def start_detached(settings: Settings) -> Path:
    """Start the stack in the background and return the path of its log."""
    log = settings.home.root / "log" / "stack.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    launch = launch_file(settings)
    launch.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    # The states of an earlier start, a failure among them, are not those of this one.
    state_file(settings.bakeoff_home).unlink(missing_ok=True)
    with log.open("ab") as output:  # several processes open it anew, and would otherwise write over each other's lines
        process = subprocess.Popen(
            [ENTRYPOINT], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    launch.write_text(str(process.pid), encoding="ascii")
    return log


def launch_file(settings: Settings) -> Path:
    """Return the file with the process id of a stack started in the background, which may still be exporting."""
    return settings.home.state / "launch.pid"


def running(settings: Settings) -> psutil.Process | None:
    """Return the process of the stack that runs in this BAKEOFF_HOME, or None."""
    for file in (pid_file(settings), launch_file(settings)):
        try:
            process = psutil.Process(int(file.read_text()))
            command = " ".join(process.cmdline())
        except (OSError, ValueError, psutil.Error):
            continue
        # process ids are used again; only one of ours may be signalled
        if process.status() != psutil.STATUS_ZOMBIE and (
            "server.processes.supervisor" in command or ENTRYPOINT.name in command
        ):
            return process
    return None


def stop(settings: Settings) -> bool:
    """Stop the stack and everything it started; return False when none runs."""
    process = running(settings)
    if process is None:
        return False
    family = [process, *process.children(recursive=True)]
    process.terminate()
    deadline = time.monotonic() + settings.stop_timeout + STOP_GRACE_S
    _, alive = psutil.wait_procs(family, timeout=max(0.0, deadline - time.monotonic()))
    for survivor in alive:
        survivor.kill()
    psutil.wait_procs(alive, timeout=STOP_GRACE_S)
    return True
