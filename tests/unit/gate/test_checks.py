"""Warm-up sizes, and a verification that wrong numbers cannot pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.gate.checks import Disagreement, verify, warm, warmup_sizes
from server.model.reference import Reference


class Backend:
    """Answers from the reference itself; `wrong` spoils one row of one model, `shift` all photos' a little."""

    def __init__(self, reference: Reference, wrong: str | None = None, shift: float = 0.0) -> None:
        self._shift = shift
        self._reference = reference
        self._wrong = wrong
        self.sizes: list[int] = []

    def embed_pixels(self, pixels: np.ndarray) -> np.ndarray:
        self.sizes.append(len(pixels))
        return self._answer([int(image[0, 0, 0]) for image in pixels], "pixels")

    def embed_files(self, files: list[bytes]) -> np.ndarray:
        self.sizes.append(len(files))
        return self._answer([file[0] for file in files], "encoded") + np.float32(self._shift)

    def _answer(self, rows: list[int], kind: str) -> np.ndarray:
        answer = self._reference.embeddings[rows].copy()
        if self._wrong == kind:
            answer[-1] = answer[0]
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
    assert sizes[0] == 1
    assert sizes[-1] == largest
    assert {1 << n for n in range(11) if 1 << n <= largest} <= set(sizes)
    if largest >= 16:
        assert sum(size % 2 for size in sizes if size not in (1, largest)) >= 3 - (largest % 2)


def test_every_size_is_sent_to_both_models(reference: Reference) -> None:
    backend = Backend(reference)
    progress: list[float] = []
    warm(backend, reference, 16, progress.append)  # type: ignore[arg-type]
    assert backend.sizes == [size for size in warmup_sizes(16) for _ in range(2)]
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


@pytest.mark.parametrize(("decodes_on_gpu", "agrees"), [(True, True), (False, False)])
def test_photos_that_a_gpu_decoded_may_differ_as_fp16_does(
    reference: Reference, decodes_on_gpu: bool, agrees: bool
) -> None:
    backend = Backend(reference, shift=0.0005)  # an error of 0.008 of the spread
    if agrees:
        verify(backend, reference, 128, "fp32", decodes_on_gpu=decodes_on_gpu)  # type: ignore[arg-type]
    else:
        with pytest.raises(Disagreement, match="encoded"):
            verify(backend, reference, 128, "fp32", decodes_on_gpu=decodes_on_gpu)  # type: ignore[arg-type]
