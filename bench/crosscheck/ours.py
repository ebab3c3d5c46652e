"""The benchmark's own load generator at a point."""

import numpy as np

from bench.client.endpoint import Endpoint
from bench.client.load import Load
from bench.client.pool import Clients
from bench.crosscheck.point import Figures, Point


def measure(clients: Clients, url: str, point: Point, seconds: float, seed: int) -> Figures:
    """Measure one window of `seconds`.

    Raises:
        BenchError: the client processes cannot do it.
    """
    seen = clients.apply(
        Load(
            endpoint=Endpoint(url),
            input=point.input,
            transport="http",
            batch=1,
            connections=point.in_flight,
            serial=0,
            settle_s=1.0,
            window_s=seconds,
            min_requests=2,
            per_s=point.per_s,
            seed=seed,
        )
    )
    p50, p90, p99 = np.percentile(seen.latencies_s, [50, 90, 99]) * 1e3 if len(seen.latencies_s) else [np.nan] * 3
    return Figures(len(seen.latencies_s), seen.failures, seen.images_per_s, float(p50), float(p90), float(p99))
