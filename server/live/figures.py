"""One backend's metrics page as a few figures, and what two of them tell of the time between.

All three backends speak of themselves in Triton's metrics (`nv_inference_*`, "Metrics" in Triton's user guide). The pixel
model is the last step of every request, also of those for encoded files, so its counters count all of them.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL

QUANTILES = (0.5, 0.99)


@dataclass
class Figures:
    """What a backend has counted since it started.

    Attributes:
        at: when it was asked, seconds of a monotonic clock.
        images, executions: that the model has embedded, and runs of it.
        requests: answered, by model.
        failures: requests that were not.
        queue_s: seconds that the requests waited, summed.
        waiting: what waits now, by what is counted: `requests` or `images`.
        summaries: latency in seconds over about the last minute, by model and quantile, where the backend tells it.
        buckets: requests by model and the upper bound of their latency in seconds, cumulative, where it tells that.
    """

    at: float
    images: float = 0
    executions: float = 0
    requests: dict[str, float] = field(default_factory=dict)
    failures: float = 0
    queue_s: float = 0
    waiting: dict[str, float] = field(default_factory=dict)
    summaries: dict[str, dict[float, float]] = field(default_factory=lambda: defaultdict(dict))
    buckets: dict[str, dict[float, float]] = field(default_factory=lambda: defaultdict(dict))


@dataclass(frozen=True)
class Rates:
    """One backend between two looks.

    Attributes:
        batch: images in one run of the model; None when there was none.
        queue_ms: mean time that an answered request had waited; None when none was answered.
    """

    images_per_s: float
    requests_per_s: float
    failures_per_s: float
    batch: float | None
    queue_ms: float | None


@dataclass(frozen=True)
class Latency:
    """How long requests for one model took over the last minute, from their arrival to their answer."""

    model: str
    p50_ms: float
    p99_ms: float


def read_figures(text: str, at: float) -> Figures:
    """Read a metrics page.

    Raises:
        ValueError: it is none.
    """
    found = Figures(at)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            model, value = sample.labels.get("model", ""), sample.value
            match sample.name.removesuffix("_total"):  # which the parser adds to the names of counters
                case "nv_inference_count" if model == PIXEL_MODEL:
                    found.images += value
                case "nv_inference_exec_count" if model == PIXEL_MODEL:
                    found.executions += value
                case "nv_inference_request_success":
                    found.requests[model] = found.requests.get(model, 0) + value
                case "nv_inference_request_failure" if model in (PIXEL_MODEL, ENCODED_MODEL):
                    found.failures += value
                case "nv_inference_queue_duration_us":
                    found.queue_s += value / 1e6
                case "nv_inference_pending_request_count":
                    found.waiting["requests"] = found.waiting.get("requests", 0) + value
                case "bakeoff_outstanding_images":
                    found.waiting["images"] = value
                case "nv_inference_request_summary_us" if "quantile" in sample.labels and not math.isnan(value):
                    found.summaries[model][float(sample.labels["quantile"])] = value / 1e6
                case "bakeoff_request_duration_seconds_bucket":
                    found.buckets[model][float(sample.labels["le"])] = value
    return found


def rates(before: Figures, now: Figures) -> Rates | None:
    """Return what happened in between; None when the backend was restarted, which sets its counters back."""
    seconds = now.at - before.at
    images, executions = now.images - before.images, now.executions - before.executions
    requests = now.requests.get(PIXEL_MODEL, 0) - before.requests.get(PIXEL_MODEL, 0)
    failures, queue_s = now.failures - before.failures, now.queue_s - before.queue_s
    if seconds <= 0 or min(images, executions, requests, failures, queue_s) < 0:
        return None
    return Rates(
        images_per_s=images / seconds,
        requests_per_s=requests / seconds,
        failures_per_s=failures / seconds,
        batch=images / executions if executions else None,
        queue_ms=1e3 * queue_s / requests if requests else None,
    )


def latency(before: Figures, now: Figures) -> Latency | None:
    """Return the latency of requests for encoded files, or, where there were none in between, for pixels."""
    for model in (ENCODED_MODEL, PIXEL_MODEL):
        if now.requests.get(model, 0) <= before.requests.get(model, 0):
            continue
        told = now.summaries.get(model) or _from_buckets(before.buckets.get(model, {}), now.buckets.get(model, {}))
        if all(quantile in told for quantile in QUANTILES):
            return Latency(model, *(1e3 * told[quantile] for quantile in QUANTILES))
    return None


def _from_buckets(before: dict[float, float], now: dict[float, float]) -> dict[float, float]:
    """Return quantiles of a cumulative histogram, interpolated within a bucket as Prometheus' `histogram_quantile` does."""
    bounds = sorted(now)
    counts = [now[bound] - before.get(bound, 0) for bound in bounds]
    if not counts or counts[-1] <= 0:
        return {}
    found = {}
    for quantile in QUANTILES:
        rank = quantile * counts[-1]
        index = next(index for index, count in enumerate(counts) if count >= rank)
        low, below = (bounds[index - 1], counts[index - 1]) if index else (0.0, 0.0)
        if math.isinf(bounds[index]):
            found[quantile] = low
        else:
            found[quantile] = low + (bounds[index] - low) * (rank - below) / (counts[index] - below)
    return found
