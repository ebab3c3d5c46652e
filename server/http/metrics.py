"""Prometheus metrics of a program on port 8002, merged over its processes by prometheus_client's multiprocess mode.

That mode is on where the environment names a folder, `PROMETHEUS_MULTIPROC_DIR`, before prometheus_client is imported;
the parent process sets it for its children.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
FILE_BYTES = 1 << 18
"""Four times what prometheus_client begins with, which ours do not outgrow."""

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
FINE_SECONDS = tuple(float(f"{10 ** (exponent / 10):.3g}") for exponent in range(-32, 11))
"""0.63 ms to 10 s, ten to a decade: percentiles interpolated between them are off by a tenth at most."""

STAGES = ("queue", "compute_input", "compute_infer", "compute_output")
"""As in Triton's statistics extension; `compute_input` holds decoding, where files are decoded."""


class Metrics:
    """This process's own counters."""

    def __init__(self) -> None:
        _reserve()
        self._own = CollectorRegistry()
        self.requests = Counter(
            "bakeoff_requests", "Requests by model and outcome", ("model", "outcome"), registry=self._own
        )
        self.images = Counter("bakeoff_images", "Images embedded", ("model",), registry=self._own)
        self.duration = Histogram(
            "bakeoff_request_duration_seconds",
            "From the parsed request to its embeddings",
            ("model",),
            buckets=FINE_SECONDS,
            registry=self._own,
        )
        self.stages = Histogram(
            "bakeoff_stage_duration_seconds",
            "Parts of a request that was answered: waiting, decoding and input, the model, output",
            ("model", "stage"),
            buckets=SECONDS,
            registry=self._own,
        )
        self.errors = Counter(
            "bakeoff_errors", "Requests answered with an error, by reason", ("reason",), registry=self._own
        )
        self.batch_size = Histogram(
            "bakeoff_batch_size", "Images in one run of the model", buckets=BATCH_SIZES, registry=self._own
        )
        self._bound: dict[tuple[str, str], Histogram] = {}
        self._shared: list[Collector] = []

    def gauge(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read when it is asked for, and is the same whichever process is asked."""
        self.share(_Gauge(name, documentation, read))

    def share(self, collector: Collector) -> None:
        """Add metrics that are read when they are asked for, and are the same whichever process is asked."""
        self._shared.append(collector)

    def observe_stages(self, model: str, seconds: Mapping[str, float]) -> None:
        """Record how long each of `STAGES` of one request took."""
        for stage, took in seconds.items():
            if (model, stage) not in self._bound:  # finding it by its labels takes longer than all else here
                self._bound[model, stage] = self.stages.labels(model, stage)
            self._bound[model, stage].observe(took)

    def render(self) -> bytes:
        """Return the text of all processes' metrics."""
        registry = CollectorRegistry()
        if FOLDER_VARIABLE in os.environ:
            registry.register(_AllProcesses(Path(os.environ[FOLDER_VARIABLE])))
        else:
            registry = self._own
        shared = CollectorRegistry()
        for collector in self._shared:
            shared.register(collector)
        return generate_latest(registry) + generate_latest(shared)


class _AllProcesses(Collector):
    """As `MultiProcessCollector.collect`, which takes a bracket in the folder's name for a pattern."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in self._folder.glob("*.db")]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)
        return merged


class _Gauge(Collector):
    def __init__(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        self._name = name
        self._documentation = documentation
        self._read = read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(self._name, self._documentation, value=self._read())


def _reserve() -> None:
    """Take the room of this process's files at once.

    prometheus_client maps files that are sparse: on a disk that has become full, writing to one ends the process (SIGBUS).

    Raises:
        OSError: the disk is full already.
    """
    if FOLDER_VARIABLE not in os.environ:
        return
    for kind in ("counter", "histogram"):
        path = Path(os.environ[FOLDER_VARIABLE]) / f"{kind}_{os.getpid()}.db"
        with path.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
