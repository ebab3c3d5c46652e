"""The beginning of a stop: every backend finishes what it has accepted and takes nothing new, before any is told to end.

The PyTorch server does that by itself when it gets SIGTERM. Triton would go on serving open connections and break them off
at the end; but a model that is being unloaded finishes its requests, and new ones are answered 503 (404 once it is gone,
until the other one has finished too).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable

import psutil

from server.backend_addresses import BackendAddress
from server.backends.client import BackendClient, BackendError
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.processes.programs import kill_program, stop_program

LOOK_EVERY_S = 0.05

log = logging.getLogger("bakeoff.readiness")

Connect = Callable[[BackendAddress, float], BackendClient]


def drain(backends: Iterable[BackendAddress], connect: Connect, seconds: float) -> None:
    """Drain all backends side by side; return when they are done, or after `seconds`.

    Args:
        connect: returns a connection to a backend, given the seconds in which it has to answer.
    """
    deadline = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_drain_triton, args=(backend, connect, deadline), daemon=True)
        for backend in backends
        if backend.repository is not None
    ]
    for thread in threads:
        thread.start()
    ending = [
        process for backend in backends if backend.repository is None and (process := stop_program(backend.program))
    ]
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    psutil.wait_procs(ending, timeout=max(0.0, deadline - time.monotonic()))


def _drain_triton(backend: BackendAddress, connect: Connect, deadline: float) -> None:
    try:
        with connect(backend, max(0.1, deadline - time.monotonic())) as client:
            for model in (ENCODED_MODEL, PIXEL_MODEL):  # the first is an ensemble whose requests end in the second
                client.unload(model)
                while client.serving(model):
                    if time.monotonic() > deadline:
                        return
                    time.sleep(LOOK_EVERY_S)
    except (BackendError, OSError) as error:
        log.debug("%s: not drained: %s", backend.name, error)  # it may not even have started
    else:
        # It has nothing left to do. At SIGTERM it would wait for idle connections to be closed, resetting every new one.
        kill_program(backend.program)
