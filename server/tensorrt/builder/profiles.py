"""The optimization profiles of an engine."""

TUNED_FOR = (8, 64)
"""Batch sizes that the optimization profiles are tuned for; docs/tensorrt.md says why these."""

Profile = tuple[int, int, int]
"""The smallest, the tuned and the largest batch of an optimization profile."""


def profiles(largest: int) -> list[Profile]:
    """Return the optimization profiles for batches of 1 to `largest`, one for each size to tune for.

    Every profile takes every batch: Triton chooses the one tuned for the nearest size, and captures each of its CUDA
    graphs once a profile.
    """
    return [(1, tuned, largest) for tuned in sorted({min(size, largest) for size in TUNED_FOR})]
