"""The parity rule of the design."""

import numpy as np
import pytest

from server.model.agreement import compare


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
