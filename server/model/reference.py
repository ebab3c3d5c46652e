"""The probe photos and their FP32 PyTorch embeddings, which every backend is held against."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Reference:
    """Embeddings of n probe photos.

    Attributes:
        files: the photos as they are, n byte strings.
        pixels: UINT8 `[n, 3, 224, 224]`.
        embeddings: FP32 `[n, 512]`.
    """

    files: list[bytes]
    pixels: npt.NDArray[np.uint8]
    embeddings: npt.NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write everything to one `.npz` file."""
        packed = np.frombuffer(b"".join(self.files), np.uint8)
        lengths = np.array([len(file) for file in self.files], np.int64)
        with path.open("wb") as file:
            np.savez(file, packed=packed, lengths=lengths, pixels=self.pixels, embeddings=self.embeddings)

    @classmethod
    def load(cls, path: Path) -> "Reference":
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            ends = np.cumsum(arrays["lengths"])
            packed = arrays["packed"].tobytes()
            files = [packed[end - length : end] for end, length in zip(ends, arrays["lengths"], strict=True)]
            return cls(files, arrays["pixels"], arrays["embeddings"])
