"""Where a request's time goes inside a server: deltas of Triton's statistics extension over a window.

A difference of sums over a difference of counts is a mean per request (see `server.oip.counters`).
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from server.oip.counters import Reading


class Split(BaseModel):
    """A server's own account of one window, as means per successful request.

    Attributes:
        requests: requests that the server counted as succeeded.
        failures: requests that it counted as failed.
        total_ns: from the request's arrival to its answer.
        queue_ns, input_ns, infer_ns, output_ns: waiting for a model instance; gathering (and, where one model does
            both, decoding) the input; running the model; handing over the output. Summed over an ensemble's models.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int
    failures: int
    total_ns: float
    queue_ns: float
    input_ns: float
    infer_ns: float
    output_ns: float


def composing_models(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the models that an ensemble is made of, by its configuration; none when it is a plain model."""
    steps = (config.get("ensemble_scheduling") or {}).get("step") or []
    return tuple(dict.fromkeys(step["model_name"] for step in steps))


def split_between(before: Mapping[str, Reading], after: Mapping[str, Reading], model: str) -> Split | None:
    """Return the mean split per request of `model` between two readings, or None when it answered nothing in between.

    An ensemble's own queue counter leaves out the time that requests wait for its parts, so its split is the sum over
    the composing models, each per request of its own; the total is the ensemble's.

    Raises:
        CountersResetError: the server was restarted in between.
    """
    deltas = {name: after[name] - before[name] for name in after}
    called = deltas[model]
    if called.successes == 0:
        return None
    parts = [delta for name, delta in deltas.items() if name != model] or [called]

    def per_request(field: str) -> float:
        return float(sum(getattr(part, field) / part.successes for part in parts if part.successes))

    return Split(
        requests=called.successes,
        failures=called.failures,
        total_ns=called.total_ns / called.successes,
        queue_ns=per_request("queue_ns"),
        input_ns=per_request("input_ns"),
        infer_ns=per_request("infer_ns"),
        output_ns=per_request("output_ns"),
    )


def pooled(splits: list[Split]) -> Split | None:
    """Return the mean over several windows, each weighted by its requests; None of none."""
    requests = sum(split.requests for split in splits)
    if not requests:
        return None

    def mean(field: str) -> float:
        return float(sum(getattr(split, field) * split.requests for split in splits) / requests)

    return Split(
        requests=requests,
        failures=sum(split.failures for split in splits),
        total_ns=mean("total_ns"),
        queue_ns=mean("queue_ns"),
        input_ns=mean("input_ns"),
        infer_ns=mean("infer_ns"),
        output_ns=mean("output_ns"),
    )
