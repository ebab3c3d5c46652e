"""The FATAL rule: a program that supervisord gives up takes the container down.

An event listener of supervisord (its protocol runs over stdin and stdout, so what people should read goes to stderr).
"""

import os
import signal
import sys

from supervisor import childutils

from server.processes.supervisor import fatal_file
from server.settings import load_settings


def main() -> None:
    """Wait for PROCESS_STATE_FATAL, say what happened, and stop supervisord."""
    settings = load_settings()
    while True:
        _, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        program = childutils.get_headers(payload)["processname"]
        fatal_file(settings).write_text(program, encoding="utf-8")
        print(f"bakeoff: failed: {program} ended at every start; its lines above say why", file=sys.stderr, flush=True)
        os.kill(os.getppid(), signal.SIGTERM)
        childutils.listener.ok(sys.stdout)


main()
