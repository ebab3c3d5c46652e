"""The server's counters under Triton's names, so that one dashboard shows the three backends side by side.

Source: "Metrics" in Triton's user guide. In Triton the model of encoded files is an ensemble whose last step is the pixel
model, so what that one counts contains all requests and images of the other; here it does too.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

from server.oip.spec import ENCODED_MODEL, MODEL_VERSION, PIXEL_MODEL
from server.oip.statistics import ModelStatistics

LABELS = ("model", "version")
DURATIONS = {
    "nv_inference_request_duration_us": "success",
    "nv_inference_queue_duration_us": "queue",
    "nv_inference_compute_input_duration_us": "compute_input",
    "nv_inference_compute_infer_duration_us": "compute_infer",
    "nv_inference_compute_output_duration_us": "compute_output",
}


class TritonMetrics(Collector):
    """Reads the statistics of both models when it is asked."""

    def __init__(self, statistics: Mapping[str, ModelStatistics]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        """Yield one family per name."""
        found = {model: one.snapshot() for model, one in self._statistics.items()}
        stats = {model: one["inference_stats"] for model, one in found.items()}
        answered = {model: one["success"]["count"] for model, one in stats.items()}
        requests = {ENCODED_MODEL: answered[ENCODED_MODEL], PIXEL_MODEL: sum(answered.values())}
        yield _family("nv_inference_request_success", "Requests answered", requests)
        failures = {(model, "OTHER"): one["fail"]["count"] for model, one in stats.items()}
        yield _family("nv_inference_request_failure", "Requests that failed", failures, ("reason",))
        images = {ENCODED_MODEL: found[ENCODED_MODEL]["inference_count"], PIXEL_MODEL: _images(found[PIXEL_MODEL])}
        yield _family("nv_inference_count", "Images embedded", images)
        # Files and pixels run in the same batches, which are the pixel model's.
        yield _family(
            "nv_inference_exec_count", "Runs of the model", {PIXEL_MODEL: found[PIXEL_MODEL]["execution_count"]}
        )
        for name, duration in DURATIONS.items():
            microseconds = {model: one[duration]["ns"] // 1000 for model, one in stats.items()}
            yield _family(name, f"Microseconds, summed over requests: {duration}", microseconds)


def _images(statistics: dict[str, Any]) -> int:
    """Return the images in all runs of the model, whoever asked for them."""
    return sum(batch["batch_size"] * batch["compute_infer"]["count"] for batch in statistics["batch_stats"])


def _family(
    name: str, documentation: str, values: Mapping[Any, float], further: Iterable[str] = ()
) -> UnknownMetricFamily:
    # "unknown", because prometheus_client would add `_total` to the name of a counter
    family = UnknownMetricFamily(name, documentation, labels=[*LABELS, *further])
    for key, value in values.items():
        model, *rest = key if isinstance(key, tuple) else (key,)
        family.add_metric([model, MODEL_VERSION, *rest], value)
    return family
