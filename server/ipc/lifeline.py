"""A child must not outlive the process that started it, even when that one is killed: it would hold port and GPU."""

import os
import threading


def watch(descriptor: int) -> None:
    """End this process at once when the other end of the pipe `descriptor` is closed, by the parent or by its death."""

    def wait() -> None:
        os.read(descriptor, 1)
        os._exit(1)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
