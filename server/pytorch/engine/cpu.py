"""The model on a CPU."""

import time

import torch
from torch import Tensor

from server.hardware import CPU_BATCH
from server.model.module import ServingModule
from server.pytorch.engine.work import Encoded, Segment


class CpuEncoder:
    """Runs the serving module on the processor's cores, one batch at a time."""

    depth = 1

    def __init__(self, module: ServingModule, max_batch: int) -> None:
        self.max_batch = min(max_batch, CPU_BATCH)  # each size keeps memory of its own in oneDNN
        self._module = module

    @torch.inference_mode()
    def launch(self, segments: list[Segment]) -> Encoded:
        """Embed the images of `segments`; there is nothing to wait for afterwards."""
        start = time.monotonic_ns()
        parts = [segment.pixels for segment in segments]
        image = parts[0] if len(parts) == 1 else torch.cat(parts)
        merged = time.monotonic_ns()
        embeddings = self.embed(image)
        computed = time.monotonic_ns()
        return Encoded(embeddings.numpy(), merged - start, computed - merged, 0)

    def embed(self, image: Tensor) -> Tensor:
        """Return FP32 `[N, 512]` of UINT8 `[N, 3, 224, 224]`."""
        embeddings: Tensor = self._module(image)
        return embeddings

    def collect(self, flight: Encoded) -> Encoded:
        """Return the finished batch."""
        return flight
