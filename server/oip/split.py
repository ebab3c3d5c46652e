"""Where a request's time went inside a server: the difference of two readings of its statistics.

Source: Triton's statistics extension, whose counters only grow while a server lives; `ns` are sums over requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL, PREPROCESS_MODEL

Counters = Mapping[str, Mapping[str, Mapping[str, int]]]


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


def counters(document: Mapping[str, Any]) -> Counters:
    """Return the counters of a statistics document by model.

    Raises:
        KeyError, TypeError: it is none.
    """
    return {model["name"]: model["inference_stats"] for model in document["model_stats"]}


def split_between(before: Counters, after: Counters) -> Split | None:
    """Return how a request for an encoded file was served between two readings; None when none was answered.

    An ensemble's own counters leave out what its parts spend, so the parts' are taken where there are parts.
    """

    def mean(model: str, *durations: str) -> float:
        requests = after[model]["success"]["count"] - before[model]["success"]["count"]
        ns = sum(after[model][name]["ns"] - before[model][name]["ns"] for name in durations)
        return ns / requests / 1e6 if requests > 0 else 0.0

    requests = after[ENCODED_MODEL]["success"]["count"] - before[ENCODED_MODEL]["success"]["count"]
    if requests <= 0 or any(
        after[model]["success"]["count"] <= before[model]["success"]["count"] for model in _parts(after)
    ):
        return None
    total_ms = mean(ENCODED_MODEL, "success")
    if not _parts(after):
        return Split(
            requests,
            total_ms,
            mean(ENCODED_MODEL, "queue"),
            mean(ENCODED_MODEL, "compute_input"),
            mean(ENCODED_MODEL, "compute_infer", "compute_output"),
        )
    every = ("compute_input", "compute_infer", "compute_output")
    return Split(
        requests,
        total_ms,
        mean(PREPROCESS_MODEL, "queue") + mean(PIXEL_MODEL, "queue"),
        mean(PREPROCESS_MODEL, *every),
        mean(PIXEL_MODEL, *every),
    )


def _parts(found: Counters) -> tuple[str, ...]:
    """Return the models that a request for an encoded file goes through, where it is an ensemble."""
    return (PREPROCESS_MODEL, PIXEL_MODEL) if PREPROCESS_MODEL in found else ()
