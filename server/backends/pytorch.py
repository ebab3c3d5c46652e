"""The PyTorch server on 8002."""

import time

import psutil

from server.backend_addresses import BackendAddress
from server.backends.interface import Backend
from server.hardware import Hardware
from server.processes.programs import stop_program


class PyTorchBackend(Backend):
    """Decodes where the hardware decides."""

    front = True

    def __init__(self, address: BackendAddress, hardware: Hardware) -> None:
        super().__init__(address)
        self.decodes_on_gpu = hardware.decode == "gpu"

    def drain(self, deadline: float) -> None:
        """Tell it to end, which it does when it has answered what it has accepted."""
        if process := stop_program(self.address.program):
            psutil.wait_procs([process], timeout=max(0.0, deadline - time.monotonic()))
