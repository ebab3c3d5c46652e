"""How far two sets of embeddings of the same photos are apart."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from server.setting_types import Precision

ERROR_BOUND: dict[Precision, float] = {"fp16": 0.02, "bf16": 0.02, "tf32": 0.02, "fp32": 0.001}
COSINE_BOUND = 0.999


@dataclass(frozen=True)
class Agreement:
    """The result of comparing embeddings with their reference.

    Attributes:
        error: `max_i |b_i - r_i| / median_{i<j} |r_i - r_j|`, the largest error relative to the spread of the
            reference. A plain cosine says little where one image's embedding is much like another's.
        cosine: the smallest cosine between an embedding and its reference.
        error_bound: the largest `error` that counts as agreement.
    """

    error: float
    cosine: float
    error_bound: float

    @property
    def holds(self) -> bool:
        """True when both figures are within their bounds; never true of NaN."""
        return self.error <= self.error_bound and self.cosine >= COSINE_BOUND

    def __str__(self) -> str:
        return (
            f"error {self.error:.2g} of the spread (at most {self.error_bound:g}), "
            f"cosine {self.cosine:.6f} (at least {COSINE_BOUND:g})"
        )


def compare(embeddings: npt.NDArray[np.float32], reference: npt.NDArray[np.float32], precision: Precision) -> Agreement:
    """Compare `embeddings` with `reference`, both FP32 `[n, 512]` for the same n >= 2 photos.

    `precision` decides what counts as agreement. The 0.02 of FP16 also holds where a GPU has decoded the photos.

    Raises:
        ValueError: the shapes differ, or fewer than two photos were given.
    """
    if embeddings.shape != reference.shape or len(reference) < 2:
        raise ValueError(
            f"expected embeddings of shape {reference.shape} for two photos or more, got {embeddings.shape}"
        )
    b, r = embeddings.astype(np.float64), reference.astype(np.float64)
    first, second = np.triu_indices(len(r), k=1)
    spread = np.median(np.linalg.norm(r[first] - r[second], axis=1))
    error = np.linalg.norm(b - r, axis=1).max() / spread
    with np.errstate(invalid="ignore"):  # an embedding of zeros has no cosine, and agrees with nothing
        cosine = ((b * r).sum(axis=1) / (np.linalg.norm(b, axis=1) * np.linalg.norm(r, axis=1))).min()
    return Agreement(float(error), float(cosine), ERROR_BOUND[precision])
