"""What the gate asks of a backend, whatever it is."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from server.backend_addresses import BackendAddress
from server.backends.client import BackendClient

Report = Callable[[float, str], None]
"""Takes the progress, 0 to 1, and the phase."""


class Stopping(Exception):
    """The gate lets go of the backend: it is being stopped itself, or another backend is kept."""


class Hopeless(Exception):
    """The backend cannot be brought up, and trying again would not help; the message says what would."""


class Backend(ABC):
    """A way of serving the model that runs on every machine and loads by itself, unless a kind of it says otherwise.

    Attributes:
        address: where it is found.
        stopping: set when the gate lets go of it, which ends what it does for long.
        decodes_on_gpu: whether a GPU decodes its photos, which is not equal to a CPU's decoding bit for bit.
        front: whether port 8002 is its own; without it the gateway has that port.
    """

    decodes_on_gpu = False
    front = False

    def __init__(self, address: BackendAddress) -> None:
        self.address = address
        self.stopping = threading.Event()

    def unavailable_reason(self) -> str | None:
        """Return why this machine cannot run it, for a person; None when it can."""
        return None

    def prepare(self, client: BackendClient, report: Report) -> None:
        """Do what is needed once it lives, before its models can be waited for; report as soon as that takes time.

        Raises:
            Hopeless: it cannot be done, also at a later attempt.
            BackendError: the backend refused its models.
            OSError: something cannot be written.
            Stopping: the gate lets go of it.
        """
        return

    def finish(self, deadline: float) -> bool:
        """Have it finish what it has accepted and take nothing new, until `deadline` (monotonic) at most, and go on running.

        Return whether it has; one that does so by itself when it is told to end is left alone.
        """
        return False

    @abstractmethod
    def drain(self, deadline: float) -> None:
        """Have it finish and end, until `deadline` (monotonic) at most; only for a stop of the whole stack."""
