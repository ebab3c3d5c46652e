"""The parity rule of the design."""

import numpy as np
import pytest

from server.model.agreement import compare
from server.setting_types import Precision

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
