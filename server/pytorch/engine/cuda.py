"""The model on one GPU: CUDA graphs for a ladder of batch sizes, copies beside the computing."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from server.model.module import ServingModule
from server.pytorch.engine.work import Encoded, Segment

LANES = 2
"""Batches in flight: one computes while the next is copied."""


def ladder(max_batch: int) -> list[int]:
    """Return the batch sizes that get a graph; a batch is padded up to the next, by at most half of it."""
    sizes = {1, 2, 4, 8, 16, 24, 32, 48, *range(64, max_batch, 32), max_batch}
    return sorted(size for size in sizes if size <= max_batch)


def _timer() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)


@dataclass
class _Lane:
    """Buffers and events of one batch in flight."""

    staging: Tensor
    result: Tensor
    begun: torch.cuda.Event = field(default_factory=_timer)
    copied: torch.cuda.Event = field(default_factory=_timer)
    started: torch.cuda.Event = field(default_factory=_timer)
    computed: torch.cuda.Event = field(default_factory=_timer)
    done: torch.cuda.Event = field(default_factory=_timer)
    images: int = 0
    sources: list[Segment] = field(default_factory=list)


class CudaEncoder:
    """Replays graphs of the serving module on the current device. One thread at a time."""

    depth = LANES

    @torch.inference_mode()
    def __init__(self, module: ServingModule, max_batch: int) -> None:
        """Capture a graph per size of the ladder; takes about a second.

        Args:
            module: on the GPU, in the precision to compute in.
            max_batch: most images in one batch.
        """
        self.max_batch = max_batch
        self._sizes = ladder(max_batch)
        self._copies = torch.cuda.Stream()
        self._compute = torch.cuda.Stream()
        self._image = torch.zeros((max_batch, 3, 224, 224), dtype=torch.uint8, device="cuda")
        self._embedding = torch.zeros((max_batch, 512), dtype=torch.float32, device="cuda")
        self._lanes = [
            _Lane(torch.empty_like(self._image), torch.empty((max_batch, 512), dtype=torch.float32, pin_memory=True))
            for _ in range(LANES)
        ]
        self._turn = 0
        self._graphs = self._capture(module)

    def _capture(self, module: ServingModule) -> dict[int, torch.cuda.CUDAGraph]:
        graphs: dict[int, torch.cuda.CUDAGraph] = {}
        pool = None  # of the largest graph, whose memory all smaller ones share: one replays at a time
        torch.cuda.synchronize()
        with torch.cuda.stream(self._compute):
            for size in reversed(self._sizes):
                module(self._image[:size])  # what the libraries set up at first use cannot be captured
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, pool=pool, stream=self._compute):
                    self._embedding[:size].copy_(module(self._image[:size]))
                pool = graph.pool()
                graphs[size] = graph
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        return graphs

    @torch.inference_mode()
    def launch(self, segments: list[Segment]) -> _Lane:
        """Copy the segments' pixels and replay the graph of their number; returns at once."""
        lane = self._lanes[self._turn]
        self._turn = (self._turn + 1) % LANES
        lane.sources = segments  # keeps device memory from being used again before the copy is over
        lane.images = sum(segment.count for segment in segments)
        with torch.cuda.stream(self._copies):
            lane.begun.record()
            row = 0
            for segment in segments:
                if not segment.pixels.is_cuda:
                    lane.staging[row : row + segment.count].copy_(segment.pixels, non_blocking=True)
                row += segment.count
            lane.copied.record()
        with torch.cuda.stream(self._compute):
            self._compute.wait_event(lane.copied)
            self._gather(segments, lane)
            lane.started.record()
            self._graphs[next(size for size in self._sizes if size >= lane.images)].replay()
            lane.computed.record()
            lane.result[: lane.images].copy_(self._embedding[: lane.images], non_blocking=True)
            lane.done.record()
        return lane

    def _gather(self, segments: list[Segment], lane: _Lane) -> None:
        """Put all pixels where the graphs read them; within the GPU this costs microseconds."""
        if not any(segment.pixels.is_cuda for segment in segments):
            self._image[: lane.images].copy_(lane.staging[: lane.images])
            return
        row = 0
        for segment in segments:
            end = row + segment.count
            if segment.ready is not None:
                self._compute.wait_event(segment.ready)
            self._image[row:end].copy_(segment.pixels if segment.pixels.is_cuda else lane.staging[row:end])
            row = end

    def collect(self, flight: _Lane) -> Encoded:
        """Wait for a batch. Its embeddings are a view that the batch after the next overwrites."""
        flight.done.synchronize()
        flight.sources = []
        return Encoded(
            flight.result[: flight.images].numpy(),
            _nanoseconds(flight.begun, flight.copied),
            _nanoseconds(flight.started, flight.computed),
            _nanoseconds(flight.computed, flight.done),
        )


def _nanoseconds(first: torch.cuda.Event, second: torch.cuda.Event) -> int:
    return int(first.elapsed_time(second) * 1e6)
