"""Prometheus metrics of the PyTorch server."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The server's own counters, in a registry of their own so that a second server in one process has its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "bakeoff_requests", "Requests by model and outcome", ("model", "outcome"), registry=self.registry
        )
        self.images = Counter("bakeoff_images", "Images embedded", ("model",), registry=self.registry)
        self.duration = Histogram(
            "bakeoff_request_duration_seconds",
            "From the parsed request to its embeddings",
            ("model",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "bakeoff_batch_size", "Images in one run of the model", buckets=BATCH_SIZES, registry=self.registry
        )
        self.waiting = Gauge("bakeoff_waiting_requests", "Requests that wait for the model", registry=self.registry)
