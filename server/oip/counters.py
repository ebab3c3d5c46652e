"""The counters of a server's statistics, read by clients of ours, and what was added between two readings.

Source: Triton's "Statistics Extension" to the Open Inference Protocol. The counters only grow while a server lives;
`ns` are sums over requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


class CountersResetError(Exception):
    """A counter went backwards: the server was restarted in between."""


@dataclass(frozen=True)
class Reading:
    """One model's counters at a moment, or their differences: requests that succeeded and failed, and nanoseconds summed over those that succeeded."""

    successes: int
    failures: int
    total_ns: int
    queue_ns: int
    input_ns: int
    infer_ns: int
    output_ns: int

    def __sub__(self, before: Self) -> "Reading":
        """Return what was added since `before`.

        Raises:
            CountersResetError: a counter is lower than it was.
        """
        deltas = {field.name: getattr(self, field.name) - getattr(before, field.name) for field in fields(self)}
        if min(deltas.values()) < 0:
            raise CountersResetError("the server's counters went backwards")
        return Reading(**deltas)

    def __add__(self, other: Self) -> "Reading":
        """Return the sums."""
        return Reading(**{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)})


def read_counters(document: Mapping[str, Any]) -> Reading:
    """Read one model's statistics document, summed over its versions.

    Raises:
        ValueError: the document has no such counters.
    """
    try:
        total = Reading(0, 0, 0, 0, 0, 0, 0)
        for version in document["model_stats"]:
            stats = version["inference_stats"]
            total += Reading(
                successes=int(stats["success"]["count"]),
                failures=int(stats["fail"]["count"]),
                total_ns=int(stats["success"]["ns"]),
                queue_ns=int(stats["queue"]["ns"]),
                input_ns=int(stats["compute_input"]["ns"]),
                infer_ns=int(stats["compute_infer"]["ns"]),
                output_ns=int(stats["compute_output"]["ns"]),
            )
        return total
    except (KeyError, TypeError) as error:
        raise ValueError(f"no statistics in the answer: {error!r} is missing") from error
