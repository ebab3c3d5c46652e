"""One window: the load, and everything that is read before and after it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bench.client.bodies import MODELS
from bench.client.endpoint import Endpoint
from bench.client.load import Load, Seen
from bench.client.pool import Clients
from bench.control import Control
from bench.histogram import Latencies
from bench.scenarios import Scenario
from bench.splits import Split, split_between
from bench.telemetry import Sampler
from bench.watch import Watch
from bench.windows import RAW_AT_MOST, Window
from server.oip.counters import CountersResetError, Reading

SETTLE_S = 0.1
"""Seconds of load before a window counts, beyond each connection's first request."""

MIN_REQUESTS = 3
"""Fewest requests in a closed loop's window, however slow they are."""

OPEN_CONNECTIONS = 64
"""Connections of an open loop; with more requests in flight than these the next ones wait, on the clock."""


class Windows:
    """Measures windows."""

    def __init__(
        self,
        clients: Clients,
        controls: Mapping[str, Control],
        watch: Watch,
        sampler: Sampler,
        *,
        seed: int,
        bound_ms: float,
    ) -> None:
        """Measure with `clients`; `controls`, by backend, ask for counters; `bound_ms` is that of `server`."""
        self.clients = clients
        self.controls = controls
        self.slow_links: dict[str, Endpoint] = {}
        self._watch = watch
        self._sampler = sampler
        self._seed = seed
        self._bound_ms = bound_ms

    def load(self, scenario: Scenario, endpoint: Endpoint, serial: int, seconds: float, per_s: float | None) -> Load:
        """Return the load of a scenario; `per_s` is the rate of an open loop."""
        return Load(
            endpoint=endpoint,
            input=scenario.input,
            transport=scenario.transport,
            batch=scenario.batch,
            connections=scenario.in_flight or OPEN_CONNECTIONS,
            serial=serial,
            settle_s=SETTLE_S,
            window_s=seconds,
            min_requests=MIN_REQUESTS,
            per_s=per_s,
            seed=self._seed + serial,
            bound_ms=self._bound_ms if per_s else float("inf"),
        )

    def endpoint(self, scenario: Scenario, backend: str) -> Endpoint:
        """Return where a backend is reached in a scenario."""
        return (self.slow_links if scenario.kind == "wan" else self._direct)[backend]

    @property
    def _direct(self) -> dict[str, Endpoint]:
        return {name: control.endpoint for name, control in self.controls.items()}

    def measure(
        self,
        scenario: Scenario,
        backend: str,
        number: int,
        serial: int,
        seconds: float,
        per_s: float | None = None,
        step: int = 1,
    ) -> Window:
        """Measure one window of `seconds` in round `number` (from 1); its photos begin at `serial`.

        Raises:
            BenchError: the client itself has failed.
        """
        control = self.controls[backend]
        started = iso(datetime.now(UTC))
        before = control.counters(scenario.input)
        load = self.load(scenario, self.endpoint(scenario, backend), serial, seconds, per_s)
        seen = self.clients.apply(load, self._sampler.start_window)
        telemetry = self._sampler.end_window()
        split, invalid = _split(before, control.counters(scenario.input), scenario)
        latencies = Latencies.of(seen.latencies_s)
        return Window(
            round=number,
            scenario=scenario,
            backend=backend,
            step=step,
            started=started,
            histogram=latencies.encoded,
            p50_ms=latencies.percentile_ms(50),
            p90_ms=latencies.percentile_ms(90),
            p99_ms=latencies.percentile_ms(99),
            mean_ms=latencies.mean_ms,
            offered_per_s=per_s,
            over_bound=seen.over if per_s else None,
            client_processes=seen.processes,
            first_photo=serial,
            split=split,
            telemetry=telemetry,
            invalid=self._watch.change(backend) or invalid,
            **_counts(seen, scenario.batch),
        )


def _counts(seen: Seen, batch: int) -> dict[str, Any]:
    few = len(seen.latencies_s) <= RAW_AT_MOST
    return {
        "requests": len(seen.latencies_s),
        "images": len(seen.latencies_s) * batch,
        "failures": seen.failures,
        "errors": tuple(seen.errors),
        "elapsed_s": round(seen.elapsed_s, 6),
        "images_per_s": round(seen.images_per_s, 6),
        "latencies_ms": tuple(np.round(seen.latencies_s * 1e3, 4).tolist()) if few else None,
        "payload_bytes": seen.sent_bytes,
        "client_cores": round(seen.cpu_s / seen.elapsed_s, 4),
        "client_busy": round(seen.busy, 4),
    }


def _split(
    before: dict[str, Reading] | None, after: dict[str, Reading] | None, scenario: Scenario
) -> tuple[Split | None, str | None]:
    """Return the window's split, and why the window does not count, if so."""
    if before is None or after is None:
        return None, None
    try:
        return split_between(before, after, MODELS[scenario.input]), None
    except CountersResetError:
        return None, "the server was restarted during a window"


def iso(moment: datetime) -> str:
    """Return a UTC time as ISO 8601, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
