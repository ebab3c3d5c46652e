"""Client processes: a single one could not load a fast server. Each keeps some connections busy, a thread each."""

import http.client
import resource
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from bench.server.requests import Body, Kind, bodies, embeddings

TIMEOUT_S = 60.0
SETTLE_S = 1.0
"""Seconds of load before the window that counts."""

JOIN_S = 0.5
"""Seconds for all processes to get ready for a common start."""


@dataclass(frozen=True)
class Sample:
    """What the clients of one window saw.

    Attributes:
        images: in answers that came within the window.
        latencies_ms: of those requests.
        failures: requests without embeddings.
        cpu_s: CPU seconds of the client processes in the window.
        elapsed_s: length of the window.
    """

    images: int
    latencies_ms: list[float]
    failures: int
    cpu_s: float
    elapsed_s: float

    @property
    def images_per_s(self) -> float:
        """Throughput."""
        return self.images / self.elapsed_s

    def percentile_ms(self, percent: float) -> float:
        """Latency of a request; NaN when there was none."""
        return float(np.percentile(self.latencies_ms, percent)) if self.latencies_ms else float("nan")


class Clients:
    """A pool of client processes."""

    def __init__(self, url: str, photos: Path, processes: int) -> None:
        self._address = urlsplit(url).netloc
        self._photos = photos
        self.processes = processes
        self._pool = ProcessPoolExecutor(processes, get_context("spawn"))

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()

    def load(self, kind: Kind, images: int, in_flight: int, seconds: float) -> Sample:
        """Keep `in_flight` requests of `images` each in flight for a window of `seconds`."""
        shares = [in_flight // self.processes + (index < in_flight % self.processes) for index in range(self.processes)]
        shares = [share for share in shares if share]
        ready = [self._pool.submit(_prepare, self._photos, kind, images) for _ in range(self.processes)]
        for one in ready:
            one.result()
        start = time.time() + JOIN_S
        parts = [
            part.result()
            for part in [
                self._pool.submit(_drive, self._address, self._photos, kind, images, share, start, seconds)
                for share in shares
            ]
        ]
        return Sample(
            sum(part.images for part in parts),
            [latency for part in parts for latency in part.latencies_ms],
            sum(part.failures for part in parts),
            sum(part.cpu_s for part in parts),
            seconds,
        )


_prepared: dict[tuple[Kind, int], list[Body]] = {}


def _prepare(photos: Path, kind: Kind, images: int) -> None:
    if (kind, images) not in _prepared:
        _prepared.clear()
        _prepared[kind, images] = bodies(photos, kind, images)
    time.sleep(0.05)  # so that no process of the pool gets two of these


def _drive(
    address: str, photos: Path, kind: Kind, images: int, connections: int, start: float, seconds: float
) -> Sample:
    _prepare(photos, kind, images)
    first, last = start + SETTLE_S, start + SETTLE_S + seconds
    latencies: list[float] = []
    failures: list[str] = []
    requests = _prepared[kind, images]
    threads = [
        threading.Thread(target=_connection, args=(address, requests, index, start, first, last, latencies, failures))
        for index in range(connections)
    ]
    for thread in threads:
        thread.start()
    _sleep_until(first)
    cpu = _cpu_s()
    _sleep_until(last)
    cpu = _cpu_s() - cpu
    for thread in threads:
        thread.join()
    return Sample(len(latencies) * images, latencies, len(failures), cpu, seconds)


def _connection(
    address: str,
    requests: list[Body],
    index: int,
    start: float,
    first: float,
    last: float,
    latencies: list[float],
    failures: list[str],
) -> None:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    _sleep_until(start)
    number = index
    while (sent := time.time()) < last:
        body = requests[number % len(requests)]
        number += 1
        try:
            connection.request("POST", body.path, body.data, body.headers)
            answer = connection.getresponse()
            data = answer.read()
            answered = time.time()
            found = embeddings(data, int(answer.headers["Inference-Header-Content-Length"]))
            if answer.status != 200 or len(found) != body.images or not abs(np.linalg.norm(found[0]) - 1) < 0.02:
                raise ValueError(f"status {answer.status}, {found.shape}")
        except (OSError, http.client.HTTPException, ValueError, TypeError) as error:
            failures.append(repr(error))
            connection.close()
            continue
        if first <= answered <= last:
            latencies.append((answered - sent) * 1e3)
    connection.close()


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.time()))


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
