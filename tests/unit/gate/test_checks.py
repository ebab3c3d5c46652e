"""Warm-up sizes, and a verification that wrong numbers cannot pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.gate.checks import ODD_COUNT, ODD_SIZES, Disagreement, bounds, verify, warm, warmup_sizes
from server.model.reference import Reference
from server.setting_types import Precision


class Backend:
    """Answers from the reference itself; `wrong` spoils one row of one model, `shifted` all rows of one a little."""

    def __init__(self, reference: Reference, wrong: str | None = None, shifted: str | None = None) -> None:
        self._shifted = shifted
        self._reference = reference
        self._wrong = wrong
        self.batches: list[tuple[str, int]] = []

    def embed_pixels(self, pixels: np.ndarray) -> np.ndarray:
        return self._answer([int(image[0, 0, 0]) for image in pixels], "pixels")

    def embed_files(self, files: list[bytes]) -> np.ndarray:
        return self._answer([file[0] for file in files], "encoded")

    def _answer(self, rows: list[int], kind: str) -> np.ndarray:
        self.batches.append((kind, len(rows)))
        answer = self._reference.embeddings[rows].copy()
        if self._wrong == kind:
            answer[-1] = answer[0]
        if self._shifted == kind:
            answer += np.float32(0.0005)  # an error of 0.008 of the spread
        return answer


@pytest.fixture
def reference() -> Reference:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(6, 512)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    pixels = np.zeros((6, 3, 2, 2), np.uint8)
    pixels[:, 0, 0, 0] = range(6)
    return Reference([bytes([row]) for row in range(6)], pixels, embeddings)


@given(st.integers(1, 1024))
def test_sizes_hold_the_powers_of_two_the_largest_and_odd_ones(largest: int) -> None:
    sizes = warmup_sizes(largest)
    assert sizes == sorted(set(sizes))
    powers = {1 << n for n in range(11) if 1 << n <= largest}
    assert powers | {largest} <= set(sizes)
    odd = set(sizes) - powers - {largest}
    assert all(size % 2 and size < largest for size in odd)
    if largest >= 16:
        assert len(odd | ({largest} & set(ODD_SIZES))) == ODD_COUNT


def test_every_size_is_sent_to_both_models(reference: Reference) -> None:
    backend = Backend(reference)
    progress: list[float] = []
    warm(backend, reference, 16, progress.append)  # type: ignore[arg-type]
    assert backend.batches == [(kind, size) for size in warmup_sizes(16) for kind in ("pixels", "encoded")]
    assert progress == sorted(progress)
    assert progress[-1] == 1


@pytest.mark.parametrize("largest", [1, 4, 128])
def test_the_right_answers_pass_in_any_chunks(reference: Reference, largest: int) -> None:
    agreement = verify(Backend(reference), reference, largest, "fp32", decodes_on_gpu=False)  # type: ignore[arg-type]
    assert all(result.error == 0 for result in agreement.values())


@pytest.mark.parametrize("kind", ["pixels", "encoded"])
def test_one_wrong_row_fails(reference: Reference, kind: str) -> None:
    with pytest.raises(Disagreement, match=kind):
        verify(Backend(reference, wrong=kind), reference, 128, "fp16", decodes_on_gpu=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shifted", "decodes_on_gpu", "agrees"),
    [("encoded", True, True), ("encoded", False, False), ("pixels", True, False), ("pixels", False, False)],
)
def test_only_photos_that_a_gpu_decoded_may_differ_as_fp16_does(
    reference: Reference, shifted: str, decodes_on_gpu: bool, agrees: bool
) -> None:
    backend = Backend(reference, shifted=shifted)
    if agrees:
        verify(backend, reference, 128, "fp32", decodes_on_gpu=decodes_on_gpu)  # type: ignore[arg-type]
    else:
        with pytest.raises(Disagreement, match=shifted):
            verify(backend, reference, 128, "fp32", decodes_on_gpu=decodes_on_gpu)  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["fp16", "bf16", "tf32", "fp32"])
def test_a_gpu_that_decodes_loosens_no_bound_but_that_of_photos_in_fp32(precision: Precision) -> None:
    assert bounds(precision, decodes_on_gpu=False) == {"pixels": precision, "encoded": precision}
    held_to = bounds(precision, decodes_on_gpu=True)
    assert held_to == {"pixels": precision, "encoded": "fp16" if precision == "fp32" else precision}
