"""The parity rule at its bounds, and for the worst photo."""

import numpy as np
import pytest

from server.model.agreement import Agreement, compare
from server.setting_types import Precision


def embeddings(n: int = 8) -> np.ndarray:
    vectors = np.random.default_rng(1).normal(size=(n, 512))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("error", "cosine", "holds"),
    [
        (0.02, 0.999, True),
        (0.020001, 1.0, False),
        (0.0, 0.998999, False),
        (float("nan"), 1.0, False),
        (0.0, float("nan"), False),
    ],
)
def test_both_figures_are_kept_to_their_bounds(error: float, cosine: float, holds: bool) -> None:
    assert Agreement(error, cosine, 0.02).holds is holds


def test_an_agreement_tells_its_figures_and_their_bounds() -> None:
    assert str(Agreement(0.00432, 0.9999876, 0.02)) == (
        "error 0.0043 of the spread (at most 0.02), cosine 0.999988 (at least 0.999)"
    )


@pytest.mark.parametrize(("precision", "bound"), [("fp16", 0.02), ("bf16", 0.02), ("tf32", 0.02), ("fp32", 0.001)])
def test_the_bound_is_that_of_the_precision(precision: Precision, bound: float) -> None:
    assert compare(embeddings(2), embeddings(2), precision).error_bound == bound


def test_the_figures_are_those_of_the_worst_photo() -> None:
    reference = np.eye(3, 512, dtype=np.float32)  # each at a distance of sqrt(2) from the others
    moved = reference.copy()
    moved[1] = [0.6, 0.8, *[0] * 510]
    moved[2] *= 1.5  # its cosine is 1
    result = compare(moved, reference, "fp16")
    assert result.error == pytest.approx(np.hypot(0.6, 0.2) / np.sqrt(2))
    assert result.cosine == pytest.approx(0.8)


def test_an_embedding_of_zeros_agrees_with_nothing_and_does_not_warn() -> None:
    empty = embeddings()
    empty[2] = 0
    assert not compare(empty, embeddings(), "fp16").holds


def test_the_cosine_does_not_depend_on_lengths() -> None:
    longer = 2 * embeddings()
    assert compare(longer, longer, "fp32").cosine == pytest.approx(1)
