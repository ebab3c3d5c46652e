"""Whether the backends were compared under the same conditions, as they themselves tell."""

from collections.abc import Sequence

from bench.records import Record


class Served(Record):
    """How one backend serves the models, read back from it. None is what it does not tell.

    Attributes:
        precision: arithmetic of the model, `fp32`, `fp16`, ...
        max_batch_size: most images in one batch.
        batch_delay_us: microseconds that a batch waits for company.
    """

    backend: str
    precision: str | None
    max_batch_size: int | None
    batch_delay_us: int | None


class Fairness(Record):
    """The settings of all measured backends, and why the comparison is not fair; no reasons when it is."""

    served: tuple[Served, ...]
    unfair: tuple[str, ...]


LABELS = {"precision": "precision", "max_batch_size": "largest batch", "batch_delay_us": "batching delay in us"}


def compare(served: Sequence[Served]) -> Fairness:
    """Compare what the backends told; what one does not tell counts as a difference to a backend that does."""
    unfair = []
    for field, label in LABELS.items():
        found = {each.backend: getattr(each, field) for each in served}
        if len(set(found.values())) > 1:
            told = ", ".join(f"{name} {'untold' if value is None else value}" for name, value in found.items())
            unfair.append(f"{label} differs: {told}")
    return Fairness(served=tuple(served), unfair=tuple(unfair))
