"""The model on its device: a batch of pixels in, a batch of embeddings out."""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from server.model.module import load_module

# Pixels are often a view of the request's body. The model only reads them.
warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


@dataclass(frozen=True)
class Encoded:
    """Embeddings FP32 `[N, 512]` and where the time went, in nanoseconds."""

    embeddings: npt.NDArray[np.float32]
    input_ns: int
    infer_ns: int
    output_ns: int


class Encoder:
    """The serving module on one device. Not thread-safe: one thread at a time."""

    def __init__(
        self, weights: Path, *, quick_gelu: bool, device: Literal["cuda", "cpu"], half: bool, threads: int
    ) -> None:
        """Load the weights.

        Args:
            weights: the visual tower's state as `bakeoff export` writes it.
            quick_gelu: the activation that the weights were trained with.
            device: where to compute.
            half: compute the tower in FP16.
            threads: intra-op threads on a CPU.
        """
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        self._device = torch.device(device)
        self._module = load_module(weights, quick_gelu=quick_gelu, half=half).to(self._device)

    @torch.inference_mode()
    def encode(self, pixels: npt.NDArray[np.uint8]) -> Encoded:
        """Embed UINT8 pixels `[N, 3, 224, 224]`."""
        start = time.monotonic_ns()
        image = torch.from_numpy(pixels).to(self._device)
        loaded = time.monotonic_ns()
        embeddings = self._module(image)
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        computed = time.monotonic_ns()
        result: npt.NDArray[np.float32] = embeddings.cpu().numpy()
        return Encoded(result, loaded - start, computed - loaded, time.monotonic_ns() - computed)
