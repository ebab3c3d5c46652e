"""What fits into /dev/shm, which is 64 MB in a container unless it is started with more.

Triton hands tensors to its Python models through files there, a pool for each model process that grows to the largest
request and stays. Where a pool cannot grow, Triton answers such a request with an error; so batches and processes are
sized to what is there from the start. (The PyTorch server's memory has no place there, see `server/ipc`.)
"""

import shutil
from pathlib import Path

FOLDER = Path("/dev/shm")

PIXELS = 3 * 224 * 224
EMBEDDING = 512 * 4
PHOTO = 110_000
"""Bytes of a photo's file; phones make larger ones, for which `--shm-size` is documented."""

USABLE = 0.9
"""Of the whole: pools grow in steps, and hold their management too."""


def size() -> int:
    """Return the bytes that /dev/shm has in all; 0 where there is none."""
    try:
        return shutil.disk_usage(FOLDER).total
    except OSError:
        return 0


def needed(batch: int, decoders: int) -> int:
    """Return the bytes that one Triton needs for requests of `batch` images with `decoders` image processes.

    Each image process holds a request's files and pixels; the model, where it is a Python-based one, the pixels and
    embeddings.
    """
    return batch * (decoders * (PHOTO + PIXELS) + PIXELS + EMBEDDING)


def largest_batch(wanted: int, tritons: int) -> int:
    """Return `wanted`, halved until it fits with one image process in each of `tritons` servers; at least 1."""
    share = _share(tritons)
    while wanted > 1 and tritons and needed(wanted, 1) > share:
        wanted //= 2
    return wanted


def most_decoders(wanted: int, batch: int, tritons: int) -> int:
    """Return how many of `wanted` image processes each of `tritons` servers can have; at least 1."""
    share = _share(tritons)
    while wanted > 1 and tritons and needed(batch, wanted) > share:
        wanted -= 1
    return wanted


def _share(tritons: int) -> float:
    return USABLE * size() / max(tritons, 1)
