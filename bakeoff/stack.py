"""Starting and stopping the stack from the console."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from server.home import ROOT
from server.processes import segments
from server.settings import Settings
from server.state import LAUNCH_PID, READINESS, SUPERVISORD_PID

ENTRYPOINT = ROOT / "entrypoint.sh"

STOP_GRACE_S = 5.0
"""Beyond STOP_TIMEOUT, in which supervisord kills whatever did not stop; then it is killed itself."""


def run_in_foreground() -> None:
    """Become the stack: this process is replaced, as it is in the container."""
    os.execv(ENTRYPOINT, [str(ENTRYPOINT)])


def start_detached(settings: Settings) -> Path:
    """Start the stack in the background and return the path of its log, which has a largest size (`capped_log`)."""
    log = settings.home.log / "stack.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    launch = LAUNCH_PID.at(settings.bakeoff_home)
    launch.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    # The states of an earlier start, a failure among them, are not those of this one.
    READINESS.at(settings.bakeoff_home).unlink(missing_ok=True)
    writer = subprocess.Popen(
        [sys.executable, "-m", "server.processes.capped_log", log],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    process = subprocess.Popen(
        [ENTRYPOINT], stdin=subprocess.DEVNULL, stdout=writer.stdin, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert writer.stdin
    writer.stdin.close()  # it ends with the last program that writes
    launch.write_text(str(process.pid), encoding="ascii")
    return log


def running(settings: Settings) -> psutil.Process | None:
    """Return the process of the stack that runs in this BAKEOFF_HOME, or None."""
    for file in (SUPERVISORD_PID, LAUNCH_PID):
        try:
            process = psutil.Process(int(file.at(settings.bakeoff_home).read_text()))
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
    segments.remove_all(settings)  # a supervisord that was killed has not
    return True
