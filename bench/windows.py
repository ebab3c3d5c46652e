"""The numbers of one window of the measurement."""

from bench.records import Record
from bench.scenarios import Scenario
from bench.splits import Split
from bench.telemetry.record import Telemetry

RAW_AT_MOST = 100
"""Requests up to which a window keeps every latency as it was; the histogram is always kept."""


class Window(Record):
    """One window: one scenario on one backend in one round (counted from 1).

    A `server` scenario has several windows a round, one for each rate that was tried (`step`, counted from 1).

    Attributes:
        started: UTC, ISO 8601.
        requests: requests that succeeded within the window; `images` are theirs.
        failures: requests that failed, were refused, or got an answer that is no embedding; `errors` has some messages.
        elapsed_s: length of the window.
        images_per_s: throughput. Closed loop: the sum over the connections of each one's images by its own time from its
            first counted request to its last answer, so that requests cut by the window's ends do no harm.
        offered_per_s: arrivals per second, open loop; None in a closed one.
        histogram: HDR histogram of the latencies in microseconds, 1 us to 1 h, 3 digits, V2 encoding, base64. Latency
            counts from just before the request is sent or, in an open loop, from the moment it was scheduled for.
        p50_ms, p90_ms, p99_ms, mean_ms: from the histogram, nearest rank; None without a request.
        latencies_ms: all of them where there are at most 100, by time of answer and connection; else None.
        over_bound: requests slower than the bound, failed ones included; None except in `server`.
        payload_bytes: bytes of request bodies sent within the window.
        client_processes: processes that the load came from.
        client_cores: CPU seconds of these per second, in the window.
        client_busy: the busiest process's share of one core.
        first_photo: serial of the first request; the same for all backends of a round, other for each round.
        split: the server's own account; None where it has none.
        telemetry: what the machine did meanwhile, by process and by GPU; None where nobody could look.
        invalid: why the window does not count, such as a restart of the server; None when it does.
    """

    round: int
    scenario: Scenario
    backend: str
    step: int = 1
    started: str
    requests: int
    images: int
    failures: int
    errors: tuple[str, ...]
    elapsed_s: float
    images_per_s: float
    offered_per_s: float | None = None
    histogram: str
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    mean_ms: float | None
    latencies_ms: tuple[float, ...] | None
    over_bound: int | None = None
    payload_bytes: int
    client_processes: int
    client_cores: float
    client_busy: float
    first_photo: int
    split: Split | None = None
    telemetry: Telemetry | None = None
    invalid: str | None = None

    @property
    def clean(self) -> bool:
        """True when nothing failed in it and it counts."""
        return not self.failures and self.invalid is None and self.requests > 0
