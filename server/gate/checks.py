"""Warming and verifying a backend, through its own port."""

from collections.abc import Callable

import numpy as np

from server.backends.client import BackendClient
from server.model.agreement import Agreement, compare
from server.model.reference import Reference
from server.setting_types import Precision

ODD_SIZES = (3, 7, 13, 37, 97)
ODD_COUNT = 3

Progress = Callable[[float], None]


class Disagreement(RuntimeError):
    """A backend's embeddings are not those of the reference."""


def warmup_sizes(largest: int) -> list[int]:
    """Return the batch sizes to warm: every power of two up to `largest`, `largest` itself, and three odd sizes."""
    powers = [1 << exponent for exponent in range(largest.bit_length())]
    odd = [size for size in ODD_SIZES if size <= largest][-ODD_COUNT:]
    return sorted({*powers, *odd, largest})


def warm(client: BackendClient, reference: Reference, largest: int, progress: Progress) -> None:
    """Send every warm-up size to both models, so that no user's request meets a first-time cost.

    Raises:
        BackendError: a size was not answered.
    """
    sizes = warmup_sizes(largest)
    total = 2 * sum(sizes)
    done = 0
    for size in sizes:
        rows = np.arange(size) % len(reference.files)
        client.embed_pixels(reference.pixels[rows])
        client.embed_files([reference.files[row] for row in rows])
        done += 2 * size
        progress(done / total)


def verify(
    client: BackendClient, reference: Reference, largest: int, precision: Precision, *, decodes_on_gpu: bool
) -> dict[str, Agreement]:
    """Compare both models with the reference.

    Returns:
        The agreement by input kind, `pixels` and `encoded`.

    Raises:
        BackendError: the backend did not answer.
        Disagreement: it answered with other embeddings than the reference's.
    """
    chunks = [slice(start, start + largest) for start in range(0, len(reference.files), largest)]
    answers = {
        "pixels": np.concatenate([client.embed_pixels(reference.pixels[chunk]) for chunk in chunks]),
        "encoded": np.concatenate([client.embed_files(reference.files[chunk]) for chunk in chunks]),
    }
    held_to = bounds(precision, decodes_on_gpu=decodes_on_gpu)
    agreement = {kind: compare(answer, reference.embeddings, held_to[kind]) for kind, answer in answers.items()}
    for kind, result in agreement.items():
        if not result.holds:
            raise Disagreement(f"embeddings of {kind} are not those of the FP32 PyTorch reference: {result}")
    return agreement


def bounds(precision: Precision, *, decodes_on_gpu: bool) -> dict[str, Precision]:
    """Return by input kind the precision whose bound the embeddings are held to.

    A GPU's decoder is not equal to libjpeg bit for bit, so the bound for photos that it decodes is never below FP16's.
    """
    return {"pixels": precision, "encoded": "fp16" if decodes_on_gpu and precision == "fp32" else precision}
