"""A test double of the model: an image's embedding is one number, in memory that is used again as the CUDA encoder's is."""

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from server.pytorch.engine.work import Encoded, Segment

FAILS = 255
"""An image of which a batch cannot be launched."""

FAILS_LATER = 254
"""An image of which a launched batch cannot be collected."""


@dataclass
class _Lane:
    """Memory of one batch in flight."""

    rows: npt.NDArray[np.float32]
    segments: list[Segment] = field(default_factory=list)


class EncoderDouble:
    """Embeds an image as its first value; `depth` batches may be in flight, each in a lane of its own.

    As on a GPU, a lane is taken even when the launch fails, the images are read some time after it, and the embeddings
    are a view that the next batch in the same lane overwrites.
    """

    def __init__(self, max_batch: int = 16, depth: int = 1) -> None:
        self.max_batch = max_batch
        self.depth = depth
        self.batches: list[int] = []
        self.launched = threading.Event()
        self.gate = threading.Event()
        """No batch is computed while it is closed."""
        self.gate.set()
        self._lanes = [_Lane(np.zeros((max_batch, 512), np.float32)) for _ in range(depth)]
        self._turn = 0

    def launch(self, segments: list[Segment]) -> _Lane:
        """Take the next lane."""
        lane = self._lanes[self._turn]
        self._turn = (self._turn + 1) % self.depth
        lane.segments = segments
        values = _values(segments)
        self.batches.append(len(values))
        self.launched.set()
        if FAILS in values:
            raise RuntimeError("the model failed")
        return lane

    def collect(self, flight: _Lane) -> Encoded:
        """Wait for the gate, and embed what the lane holds now."""
        assert self.gate.wait(30)
        values = _values(flight.segments)
        if FAILS_LATER in values:
            raise RuntimeError("the model failed later")
        rows = flight.rows[: len(values)]
        rows[:] = values[:, None]
        return Encoded(rows, 1, 2, 3)


def _values(segments: list[Segment]) -> npt.NDArray[np.generic]:
    return np.concatenate([_first_values(segment.pixels) for segment in segments])


def _first_values(pixels: Any) -> npt.NDArray[np.generic]:
    images = np.asarray(pixels)
    return images.reshape(len(images), -1)[:, 0]
