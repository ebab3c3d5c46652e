"""The parity rule of the design."""

import numpy as np
import pytest

from server.model.agreement import Agreement, compare
from server.settings import Precision

COSINE = 0.999


def embeddings(n: int = 8, spread: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    base = rng.normal(size=512)
    vectors = base + spread * rng.normal(size=(n, 512))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_equal_is_zero() -> None:
    result = compare(embeddings(), embeddings(), "fp32")
    assert result.error == 0
    assert result.cosine == pytest.approx(1)
    assert result.holds


def test_the_error_is_relative_to_the_spread() -> None:
    reference = embeddings()
    distances = [np.linalg.norm(a - b) for i, a in enumerate(reference) for b in reference[:i]]
    moved = reference.copy()
    moved[3, 0] += 0.01
    assert compare(moved, reference, "fp16").error == pytest.approx(0.01 / np.median(distances), rel=1e-3)


def test_embeddings_that_are_much_alike_do_not_pass_by_their_cosine() -> None:
    reference = embeddings(spread=0.01)
    shuffled = np.roll(reference, 1, axis=0)
    result = compare(shuffled, reference, "fp16")
    assert result.cosine > 0.999
    assert not result.holds


@pytest.mark.parametrize(("precision", "bound"), [("fp32", 0.001), ("tf32", 0.02), ("bf16", 0.02), ("fp16", 0.02)])
def test_the_error_has_a_bound_for_each_precision(precision: Precision, bound: float) -> None:
    reference = embeddings()
    first, second = np.triu_indices(len(reference), k=1)
    spread = np.median(np.linalg.norm(reference[first] - reference[second], axis=1))
    for share, holds in ((0.95, True), (1.05, False)):
        moved = reference.copy()
        moved[3, 0] += share * bound * spread
        result = compare(moved, reference, precision)
        assert result.cosine > COSINE
        assert result.holds == holds


@pytest.mark.parametrize(("cosine", "holds"), [(0.9991, True), (0.9989, False)])
def test_the_cosine_has_a_bound_of_its_own(cosine: float, holds: bool) -> None:
    """Far apart as the photos' embeddings are here, the error alone would pass."""
    reference = np.zeros((3, 512), np.float32)
    reference[0, 0] = 1
    reference[1, 0], reference[2, 0] = 1000, -1000
    turned = reference.copy()
    turned[0, :2] = cosine, np.sqrt(1 - cosine**2)
    result = compare(turned, reference, "fp32")
    assert result.error < result.error_bound
    assert result.cosine == pytest.approx(cosine, abs=1e-6)
    assert result.holds == holds


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_never_passes(value: float) -> None:
    broken = embeddings()
    broken[0, 0] = value
    with np.errstate(invalid="ignore"):
        assert not compare(broken, embeddings(), "fp16").holds


def test_shapes_must_match() -> None:
    with pytest.raises(ValueError, match="expected embeddings of shape"):
        compare(embeddings(4), embeddings(5), "fp32")
    with pytest.raises(ValueError, match="two photos or more"):
        compare(embeddings(1), embeddings(1), "fp32")


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
