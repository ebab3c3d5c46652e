"""The beginning of a stop: every backend finishes what it has accepted and takes nothing new, before any is told to end."""

import threading
import time
from collections.abc import Iterable

from server.backends.interface import Backend


def drain(backends: Iterable[Backend], seconds: float) -> None:
    """Drain all backends side by side; return when they are done, or after `seconds`."""
    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=backend.drain, args=(deadline,), daemon=True) for backend in backends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
