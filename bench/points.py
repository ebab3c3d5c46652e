"""The figures of one point: one scenario on one backend, over all complete rounds."""

from typing import Literal

from bench.records import Record
from bench.scenarios import Scenario
from bench.splits import Split


class Figure(Record):
    """The median of the rounds and its 95 % bootstrap interval (None with fewer than 5 rounds)."""

    value: float
    low: float | None
    high: float | None
    rounds: tuple[float, ...]


class Estimate(Record):
    """MLPerf's early-stopping estimate of a percentile: with 99 % confidence the percentile is not above it.

    Attributes:
        ms: None where there were too few requests.
        requests, needed: how many there were, and how many it takes at least.
    """

    ms: float | None
    requests: int
    needed: int


class Rate(Record):
    """What is known of one arrival rate of the `server` scenario, over all rounds.

    Attributes:
        per_s: arrivals per second.
        requests: that arrived, failed ones included.
        over: slower than the bound, or failed.
        p99_ms: of those that were answered.
        passes: True when MLPerf's early-stopping test says, with 99 % confidence, that at least 99 % are within the
            bound; False when more than 1 % were not; None where there were too few requests to tell.
    """

    per_s: float
    requests: int
    over: int
    p99_ms: float | None
    passes: bool | None


class ServerLoad(Record):
    """The outcome of the `server` scenario.

    Attributes:
        bound_ms: the latency that 99 % of requests must keep.
        rates: every rate that was tried, ascending.
        highest_per_s: the highest rate that passes, of those below every rate that was refuted; None where none does.
        status: `valid` when `highest_per_s` rests on MLPerf's test and on a next rate that failed or could not be
            decided; `insufficient` when no rate had enough requests (the rounds' figures are then all there is);
            `none` when even the lowest rate failed.
        needed: fewest requests at one rate that the test takes.
    """

    bound_ms: float
    rates: tuple[Rate, ...]
    highest_per_s: float | None
    status: Literal["valid", "insufficient", "none"]
    needed: int


class Point(Record):
    """One scenario on one backend, over all complete rounds.

    Attributes:
        images_per_s: throughput; in `server` the highest rate that met the bound. None when a round has none.
        p50: of the rounds' median latencies, in milliseconds. None as above, and in `server`.
        requests, failures: counts over all rounds.
        percentiles_ms: of all successful requests, nearest rank, keys `0`, `10`, `25`, `50`, `75`, `90`, `95`, `99`,
            `99.9`, `100`; empty without a request. In `server`: of the windows at the rate that counts.
        mean_ms: of the same.
        p90_estimate, p99_estimate: in `single`, as MLPerf reports it; else None.
        server: in `server` only.
        histogram: the sum of the windows' histograms, as in `Window.histogram`.
        split: the server's own account, per request; None where it has none.
        stable: whether the last three rounds are within 10 % of each other; None with fewer than three.
        client_bound: why the client, not the server, was the limit; None when it was not.
        joules_per_image: GPU energy per image; None where it could not be measured.
        cost_per_million: price of a million images at this throughput, in the currency of `--price-per-hour`, else None.
        problem: why the point cannot win; None when nothing went wrong.
    """

    scenario: Scenario
    backend: str
    images_per_s: Figure | None
    p50: Figure | None
    requests: int
    failures: int
    percentiles_ms: dict[str, float]
    mean_ms: float | None
    p90_estimate: Estimate | None = None
    p99_estimate: Estimate | None = None
    server: ServerLoad | None = None
    histogram: str | None
    split: Split | None
    stable: bool | None
    client_bound: str | None = None
    joules_per_image: float | None = None
    cost_per_million: float | None = None
    problem: str | None
