"""MLPerf's LoadGen at a point: it decides when a request is sent and what its latency is; our HTTP connections send it.

Closed points are its SingleStream, open ones its Server scenario.
"""

import json
import queue
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.client.bodies import Body, make_body
from bench.client.connections import HttpConnection
from bench.client.endpoint import Endpoint
from bench.crosscheck.point import Figures, Point
from bench.errors import BenchError
from bench.photos import PhotoSet

DETAIL = "mlperf_log_detail.txt"
MARK = ":::MLLOG "


def measure(url: str, point: Point, photos: PhotoSet, seconds: float, seed: int) -> Figures:
    """Run LoadGen for about `seconds`.

    Raises:
        BenchError: LoadGen is not installed, or a point that it has no scenario for.
    """
    try:
        import mlperf_loadgen as loadgen
    except ImportError:
        raise BenchError(
            "mlcommons-loadgen is not installed; it is in the development group of pyproject.toml"
        ) from None
    if point.per_s is None and point.in_flight != 1:
        raise BenchError(f"LoadGen's SingleStream has one request in flight, not {point.in_flight}")
    settings = loadgen.TestSettings()
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = int(seconds * 1e3)
    settings.max_duration_ms = 0  # no limit
    settings.min_query_count = 1
    settings.schedule_rng_seed = settings.sample_index_rng_seed = settings.qsl_rng_seed = seed
    if point.per_s is None:
        settings.scenario = loadgen.TestScenario.SingleStream
    else:
        settings.scenario = loadgen.TestScenario.Server
        settings.server_target_qps = point.per_s
        settings.min_query_count = int(point.per_s * seconds)
    bodies = [make_body(point.input, "http", photos.rotation(index, 1)) for index in range(len(photos.photos))]
    with _Servant(loadgen, url, bodies, point.in_flight) as servant, tempfile.TemporaryDirectory() as folder:
        logs = loadgen.LogSettings()
        logs.log_output.outdir = folder
        logs.log_output.copy_summary_to_stdout = False
        system = loadgen.ConstructSUT(servant.issue, lambda: None)
        samples = loadgen.ConstructQSL(len(bodies), len(bodies), lambda _: None, lambda _: None)
        loadgen.StartTestWithLogSettings(system, samples, settings, logs)
        loadgen.DestroyQSL(samples)
        loadgen.DestroySUT(system)
        return parse((Path(folder) / DETAIL).read_text().splitlines(), servant.failures)


def parse(lines: Iterable[str], failures: int) -> Figures:
    """Read the figures from LoadGen's detailed log.

    Raises:
        KeyError: there are none.
    """
    told = {}
    for line in lines:
        if line.startswith(MARK):
            entry = json.loads(line.removeprefix(MARK))
            told[entry["key"]] = entry["value"]
    rate = told.get("result_completed_samples_per_sec") or told["result_qps_without_loadgen_overhead"]
    return Figures(
        requests=told["result_query_count"],
        failures=failures,
        images_per_s=rate,
        p50_ms=told["result_50.00_percentile_latency_ns"] / 1e6,
        p90_ms=told["result_90.00_percentile_latency_ns"] / 1e6,
        p99_ms=told["result_99.00_percentile_latency_ns"] / 1e6,
    )


class _Servant:
    """Sends what LoadGen issues, on as many connections as there are threads."""

    def __init__(self, loadgen: Any, url: str, bodies: list[Body], connections: int) -> None:
        self._loadgen, self._bodies, self._endpoint = loadgen, bodies, Endpoint(url)
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(connections)]
        self.failures = 0

    def __enter__(self) -> "_Servant":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def issue(self, samples: list[Any]) -> None:
        """Take what LoadGen wants sent now."""
        for sample in samples:
            self._waiting.put((sample.id, sample.index))

    def _serve(self) -> None:
        connection = HttpConnection(self._endpoint)
        connection.open()
        while (work := self._waiting.get()) is not None:
            identity, index = work
            try:
                connection.decode(connection.send(self._bodies[index]), 1)
            except Exception:  # LoadGen knows no failures: it is told of an answer, and we count
                self.failures += 1
            self._loadgen.QuerySamplesComplete([self._loadgen.QuerySampleResponse(identity, 0, 0)])
        connection.close()
