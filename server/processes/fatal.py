"""The FATAL rule: a program that supervisord gives up takes the container down.

An event listener of supervisord (its protocol runs over stdin and stdout, so what people should read goes to stderr).
"""

import os
import signal
import sys
import time
from pathlib import Path

from supervisor import childutils

from server.processes.supervisor import fatal_file, last_lines_file
from server.settings import load_settings

LAST_LINES_WAIT_S = 1.0
"""The filter of a program's lines ends a moment after it."""


def main() -> None:
    """Wait for PROCESS_STATE_FATAL, say what happened, and stop supervisord."""
    settings = load_settings()
    while True:
        _, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        program = childutils.get_headers(payload)["processname"]
        fatal_file(settings).write_text(program, encoding="utf-8")
        print(_obituary(program, last_lines_file(settings, program)), file=sys.stderr, flush=True)
        os.kill(os.getppid(), signal.SIGTERM)
        childutils.listener.ok(sys.stdout)


def _obituary(program: str, file: Path) -> str:
    deadline = time.monotonic() + LAST_LINES_WAIT_S
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    verdict = f"bakeoff: failed: {program} ended at every start"
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{verdict}; its lines above say why"
    return "\n".join([f"the last lines of {program}:", *(f"  {line}" for line in lines), verdict])


main()
