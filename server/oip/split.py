"""Where a request's time went inside a server: the difference of two readings of its statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.oip.counters import CountersResetError, Reading, read_counters
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL, PREPROCESS_MODEL

Readings = Mapping[str, Reading]
"""By model."""


@dataclass(frozen=True)
class Split:
    """Milliseconds of a request for one encoded file.

    Attributes:
        requests: over which these are means; more than one when others were served in the same moment.
        total_ms: from the request's arrival to its answer, by the server's account.
        queue_ms: waiting for a model.
        prepare_ms: decoding, resizing and cropping.
        compute_ms: the model, with its input and output.
    """

    requests: int
    total_ms: float
    queue_ms: float
    prepare_ms: float
    compute_ms: float


def readings(document: Mapping[str, Any]) -> Readings:
    """Return the counters of a statistics document by model.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    return {model["name"]: read_counters({"model_stats": [model]}) for model in document["model_stats"]}


def split_between(before: Readings, after: Readings) -> Split | None:
    """Return how a request for an encoded file was served between two readings; None when none was answered.

    An ensemble's own counters leave out what its parts spend, so the parts' are taken where there are parts.
    """
    try:
        added = {name: after[name] - before[name] for name in after}
    except CountersResetError:
        return None
    called = added[ENCODED_MODEL]
    parts = [added[PREPROCESS_MODEL], added[PIXEL_MODEL]] if PREPROCESS_MODEL in added else []
    if not all(part.successes for part in (called, *parts)):
        return None
    total_ms = _mean_ms(called, "total_ns")
    if not parts:
        return Split(
            called.successes,
            total_ms,
            _mean_ms(called, "queue_ns"),
            _mean_ms(called, "input_ns"),
            _mean_ms(called, "infer_ns", "output_ns"),
        )
    prepare, compute = (_mean_ms(part, "input_ns", "infer_ns", "output_ns") for part in parts)
    return Split(called.successes, total_ms, sum(_mean_ms(part, "queue_ns") for part in parts), prepare, compute)


def _mean_ms(added: Reading, *durations: str) -> float:
    return float(sum(getattr(added, name) for name in durations) / added.successes / 1e6)
