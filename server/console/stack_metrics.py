"""What is true of the whole container, on port 8002's metrics page: readiness, start-up, parity, engine, model, GPUs."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, get_args

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from server.live.machine import gpu_loads
from server.readiness import State, read_document
from server.settings import Settings
from server.state import READINESS
from server.tensorrt import current

STATES: tuple[str, ...] = get_args(State)
MODEL_LABELS = ("name", "architecture", "pretrained", "source", "precision", "device", "weights_sha256")


class StackMetrics(Collector):
    """Reads the readiness document, the engine's manifest and the driver when it is asked."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def collect(self) -> Iterator[Metric]:
        """Yield the families; those of which nothing is known yet are left out."""
        document = read_document(READINESS.at(self._settings.bakeoff_home))
        yield GaugeMetricFamily("bakeoff_ready", "Whether the container is ready", value=document["ready"])
        yield from _backends(document["backends"])
        model = {name: str(document["model"][name]) for name in MODEL_LABELS if name in document["model"]}
        if model:
            yield InfoMetricFamily(
                "bakeoff_model", "The model that is served", {**model, "version": version("clip-bakeoff")}
            )
            batch = document["model"]["max_batch_size"]
            yield GaugeMetricFamily(
                "bakeoff_max_batch_size", "Most images in one request and in one batch", value=batch
            )
        if engine := current.manifest(self._settings):
            yield GaugeMetricFamily(
                "bakeoff_engine_build_seconds", "What building the TensorRT engine took, now or at an earlier start",
                value=engine.build_seconds,
            )  # fmt: skip
        yield from _gpus()


def _backends(backends: dict[str, Any]) -> Iterator[Metric]:
    state = GaugeMetricFamily("bakeoff_backend_state", "1 for the state it is in", labels=["backend", "state"])
    ready = GaugeMetricFamily("bakeoff_backend_ready", "Whether it is ready", labels=["backend"])
    progress = GaugeMetricFamily("bakeoff_backend_progress", "Of its state, 0 to 1", labels=["backend"])
    spent = GaugeMetricFamily(
        "bakeoff_startup_seconds", "Spent in each state of this start", labels=["backend", "state"]
    )
    parity = GaugeMetricFamily(
        "bakeoff_parity_error", "Embedding error relative to the spread of the reference", labels=["backend", "input"]
    )
    for name, backend in backends.items():
        for one in STATES:
            state.add_metric([name, one], backend["state"] == one)
        ready.add_metric([name], backend["state"] == "ready")
        progress.add_metric([name], backend["progress"])
        for one, seconds in backend["timings_s"].items():
            spent.add_metric([name, one], seconds)
        for kind, agreement in (backend["parity"] or {}).items():
            parity.add_metric([name, kind], agreement["error"])
    yield from (state, ready, progress, spent, parity)


def _gpus() -> Iterator[Metric]:
    """Yield what Triton's metrics say of GPUs, under its names: a stack without a Triton has them too."""
    families = {
        "utilisation": GaugeMetricFamily("nv_gpu_utilization", "Busy part, 0 to 1", labels=["gpu_uuid"]),
        "memory_used": GaugeMetricFamily("nv_gpu_memory_used_bytes", "Memory in use", labels=["gpu_uuid"]),
        "memory_total": GaugeMetricFamily("nv_gpu_memory_total_bytes", "Memory", labels=["gpu_uuid"]),
        "power_w": GaugeMetricFamily("nv_gpu_power_usage", "Watts", labels=["gpu_uuid"]),
    }
    loads = gpu_loads()
    for load in loads:
        for name, family in families.items():
            if (value := getattr(load, name)) is not None:
                family.add_metric([load.uuid], value)
    if loads:
        yield from families.values()
