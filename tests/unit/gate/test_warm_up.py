"""Which photos a backend embeds, in which order, before it is ready, and what is said when they are wrong."""

import numpy as np
import pytest

from server.gate.checks import Disagreement, verify, warm, warmup_sizes
from server.model.reference import Reference

PHOTOS = 6


class Recording:
    """Answers from a reference, `error` added to its pixels' embeddings, and keeps what it was sent."""

    def __init__(self, error: float = 0.0) -> None:
        embeddings = np.random.default_rng(0).normal(size=(PHOTOS, 512)).astype(np.float32)
        pixels = np.arange(PHOTOS, dtype=np.uint8).reshape(-1, 1, 1, 1)
        self.reference = Reference([bytes([row]) for row in range(PHOTOS)], pixels, embeddings)
        self.sent: list[tuple[str, list[int]]] = []
        self._error = np.float32(error)

    def embed_pixels(self, pixels: np.ndarray) -> np.ndarray:
        return self._answer("pixels", pixels.ravel().tolist()) + self._error

    def embed_files(self, files: list[bytes]) -> np.ndarray:
        return self._answer("encoded", [file[0] for file in files])

    def _answer(self, kind: str, rows: list[int]) -> np.ndarray:
        self.sent.append((kind, rows))
        return self.reference.embeddings[rows]


@pytest.mark.parametrize(
    ("largest", "sizes"),
    [
        (1, [1]),
        (2, [1, 2]),
        (3, [1, 2, 3]),
        (16, [1, 2, 3, 4, 7, 8, 13, 16]),
        (97, [1, 2, 4, 8, 13, 16, 32, 37, 64, 97]),
    ],
)
def test_powers_of_two_the_largest_and_three_odd_sizes_are_warmed(largest: int, sizes: list[int]) -> None:
    assert warmup_sizes(largest) == sizes


def test_warming_takes_the_photos_in_turn_and_tells_the_share_that_is_done() -> None:
    client, progress = Recording(), []
    warm(client, client.reference, 8, progress.append)  # type: ignore[arg-type]
    photos = [0, 1, 2, 3, 4, 5, 0, 1]
    assert client.sent == [(kind, photos[:size]) for size in (1, 2, 3, 4, 7, 8) for kind in ("pixels", "encoded")]
    assert progress == pytest.approx([done / 25 for done in (1, 3, 6, 10, 17, 25)])


def test_verifying_takes_every_photo_once_in_batches_of_the_largest() -> None:
    client = Recording()
    verify(client, client.reference, 4, "fp32", decodes_on_gpu=False)  # type: ignore[arg-type]
    assert client.sent == [(kind, rows) for kind in ("pixels", "encoded") for rows in ([0, 1, 2, 3], [4, 5])]


def test_a_disagreement_tells_by_how_much() -> None:
    client = Recording(error=0.05)
    with pytest.raises(Disagreement) as caught:
        verify(client, client.reference, 4, "fp16", decodes_on_gpu=False)  # type: ignore[arg-type]
    assert str(caught.value).startswith("embeddings of pixels are not those of the FP32 PyTorch reference: error 0.0")
