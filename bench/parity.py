"""A spot check that all backends give the same embeddings for the same photos, before and after the measurement."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from bench.scenarios import Input

SPOT_CHECK_PHOTOS = 8


class Parity(BaseModel):
    """One backend's embeddings of some photos against those of the first ready backend.

    Attributes:
        backend, input: what was asked.
        reference: the first ready backend.
        error: largest distance relative to the spread; None where that cannot be said (see `reason`).
        cosine: smallest cosine.
        bound: largest `error` that counts as agreement.
        agrees: None where it cannot be said.
        reason: why it cannot be said.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: str
    input: Input
    reference: str
    error: float | None = None
    cosine: float | None = None
    bound: float | None = None
    agrees: bool | None = None
    reason: str | None = None


def relative_error(embeddings: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> float | None:
    """Return `max_i |b_i - r_i| / median_{i<j} |r_i - r_j|` for embeddings `[n, 512]` of the same n photos.

    The spread below the line is what a search over the embeddings works with; a plain cosine says little where one
    photo's embedding is much like another's. None when the photos have no spread: fewer than two, or all the same.
    """
    b, r = embeddings.astype(np.float64), reference.astype(np.float64)
    first, second = np.triu_indices(len(r), k=1)
    if len(first) == 0:
        return None
    spread = float(np.median(np.linalg.norm(r[first] - r[second], axis=1)))
    return float(np.linalg.norm(b - r, axis=1).max()) / spread if spread > 0 else None


def compare(
    embeddings: Mapping[str, npt.NDArray[np.float32] | str], kind: Input, bounds: Mapping[str, float | None]
) -> list[Parity]:
    """Compare every backend with the first one.

    Args:
        embeddings: by backend, in the stack's order: FP32 `[n, 512]`, or why there are none.
        kind: how the photos were sent.
        bounds: by backend, the error that the stack's gate accepts against its own reference. Two backends that are
            each within theirs of one reference are within the sum of each other, so the sum is the bound here.
    """
    reference, base = next(iter(embeddings.items()))
    found = []
    for backend, answer in embeddings.items():
        known = Parity(backend=backend, input=kind, reference=reference)
        if isinstance(answer, str) or isinstance(base, str):
            reason = answer if isinstance(answer, str) else f"no embeddings from {reference} to compare with"
            found.append(known.model_copy(update={"reason": reason}))
            continue
        error = relative_error(answer, base)
        cosine = float((answer * base).sum(axis=1).min())
        mine, its = bounds.get(backend), bounds.get(reference)
        bound = mine + its if mine is not None and its is not None else None
        update: dict[str, float | bool | str | None] = {"error": error, "cosine": cosine, "bound": bound}
        if error is None:
            update["reason"] = "it takes two different photos to tell"
        elif bound is None:
            update["reason"] = "the stack gives no bound"
        else:
            update["agrees"] = error <= bound
        found.append(known.model_copy(update=update))
    return found
