"""One load: what a window asks of the client processes, and what they saw."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.client.endpoint import Endpoint
from bench.scenarios import Input, Transport

KEPT_ERRORS = 3
"""Different error messages that are kept of a window."""


@dataclass(frozen=True)
class Load:
    """The load of one window.

    Attributes:
        endpoint: the backend.
        input, transport, batch: of every request.
        connections: connections in all; in a closed loop each has always one request in flight.
        serial: of the first image; windows of one round and scenario have the same for all backends.
        settle_s: seconds of load before the window. At least one request a connection is sent before it counts.
        window_s, min_requests: a closed loop's window ends when both are reached.
        per_s: arrivals per second of an open loop; None: closed loop.
        seed: of the arrivals.
        bound_ms: latency above which a request is counted as `over`.
    """

    endpoint: Endpoint
    input: Input
    transport: Transport
    batch: int
    connections: int
    serial: int
    settle_s: float
    window_s: float
    min_requests: int
    per_s: float | None = None
    seed: int = 0
    bound_ms: float = float("inf")


@dataclass
class Seen:
    """What one client process, or all together, saw within the window.

    Attributes:
        latencies_s: of the requests that succeeded, by connection in the order of their answers.
        failures, errors: requests that failed, and some of their messages, each once.
        over: requests slower than the bound, failed ones included.
        images_per_s: throughput.
        elapsed_s: length of the window.
        sent_bytes: bytes of bodies sent.
        cpu_s: CPU seconds of the processes.
        busy: the busiest process's share of one core.
        processes: that took part.
    """

    latencies_s: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    failures: int = 0
    errors: list[str] = field(default_factory=list)
    over: int = 0
    images_per_s: float = 0.0
    elapsed_s: float = 0.0
    sent_bytes: int = 0
    cpu_s: float = 0.0
    busy: float = 0.0
    processes: int = 0

    def keep_error(self, error: BaseException | str) -> None:
        """Keep an error's message, unless it is known or there are enough."""
        message = " ".join(str(error).split()) or type(error).__name__
        if message not in self.errors and len(self.errors) < KEPT_ERRORS:
            self.errors.append(message)


def together(parts: list[Seen]) -> Seen:
    """Return what all processes saw."""
    whole = Seen(
        latencies_s=np.concatenate([part.latencies_s for part in parts]),
        failures=sum(part.failures for part in parts),
        over=sum(part.over for part in parts),
        images_per_s=sum(part.images_per_s for part in parts),
        elapsed_s=max(part.elapsed_s for part in parts),
        sent_bytes=sum(part.sent_bytes for part in parts),
        cpu_s=sum(part.cpu_s for part in parts),
        busy=max(part.busy for part in parts),
        processes=len(parts),
    )
    for part in parts:
        for error in part.errors:
            whole.keep_error(error)
    return whole
