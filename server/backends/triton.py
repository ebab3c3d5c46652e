"""A Triton."""

import logging
import time

from server.backends.client import BackendError, connect
from server.backends.interface import Backend
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.processes.programs import kill_program

LOOK_EVERY_S = 0.05

log = logging.getLogger("bakeoff.readiness")


class TritonBackend(Backend):
    """One whose models are there when it starts, and that decodes on the CPU."""

    def finish(self, deadline: float) -> bool:
        """Unload its models, which finishes what they have accepted; return whether they have.

        Told to end, it would go on serving open connections and break them off at last. While its models are unloaded new
        requests are answered 503 (404 once one is gone, until the other has finished too).
        """
        try:
            with connect(self.address, max(0.1, deadline - time.monotonic())) as client:
                for model in (ENCODED_MODEL, PIXEL_MODEL):  # the first is an ensemble whose requests end in the second
                    client.unload(model)
                    while client.serving(model):
                        if time.monotonic() > deadline:
                            return False
                        time.sleep(LOOK_EVERY_S)
        except (BackendError, OSError) as error:
            log.debug("%s: not drained: %s", self.address.name, error)  # it may not even have started
            return False
        return True

    def drain(self, deadline: float) -> None:
        """Finish, and end it at once: at SIGTERM it would wait for idle connections to be closed, resetting every new one."""
        if self.finish(deadline):
            kill_program(self.address.program)
