"""A worker's side and an engine's side, over real sockets and shared memory, with a double of the model."""

import asyncio
import socket
import threading

import numpy as np

from server.http.metrics import Metrics
from server.ipc import messages
from server.ipc.arena import Arena
from server.ipc.counters import Counters
from server.ipc.handover import hand
from server.ipc.messages import Loaded
from server.pytorch.engine.channels import Channels
from server.pytorch.engine.decode_loop import Decoder
from server.pytorch.engine.engine_server import EngineServer
from server.pytorch.engine_client import EngineClient
from tests.unit.pytorch.encoder_double import EncoderDouble

MODELS = ("model",)


class Rig:
    """One engine and two workers."""

    def __init__(self, *, decoder: Decoder | None = None, arena_bytes: int = 64 << 20) -> None:
        self.model = EncoderDouble()
        self.counters = Counters.create(3, MODELS, 16)
        self.pairs = [messages.pair() for _ in range(2)]
        self.arenas = [Arena.create(arena_bytes) for _ in range(2)]
        self.channels = Channels()
        for pair, arena in zip(self.pairs, self.arenas, strict=True):
            self.channels.add(pair[1], Arena(arena.fileno()))
        engine = EngineServer(
            self.channels, self.model, decoder, delay_us=0,
            statistics=self.counters.statistics(2)["model"], metrics=Metrics(),
            beat=lambda: self.counters.beat(2),
        )  # fmt: skip
        loaded = Loaded("fp32", "gpu" if decoder else "cpu")
        self.thread = threading.Thread(target=engine.serve, args=(loaded,), daemon=True)

    def worker(
        self, index: int, max_queue_images: int = 1000, request_timeout_s: float = 60, max_batch: int = 16
    ) -> EngineClient:
        return EngineClient(
            control_with(self.pairs[index][0]), self.arenas[index], self.counters, index, engine_rows=[2],
            max_batch=max_batch, max_queue_images=max_queue_images, request_timeout_s=request_timeout_s,
        )  # fmt: skip

    def replace_worker(self, index: int) -> None:
        """Have another process in the place of a worker, with a channel and memory of its own."""
        self.arenas[index].close()
        self.pairs[index] = messages.pair()
        self.arenas[index] = Arena.create(self.arenas[index].size)
        self.channels.add(self.pairs[index][1], Arena(self.arenas[index].fileno()))

    def end(self) -> None:
        """Hang up as the workers do, and wait for the engine."""
        self.model.gate.set()
        for end, _ in self.pairs:
            end.close()
        self.channels.finish()
        if self.thread.ident is None:
            self.thread.start()
        self.thread.join(10)
        assert not self.thread.is_alive()


def control_with(*channels: socket.socket) -> socket.socket:
    """Return a worker's control channel, on which the parent has handed over a channel to each engine; they move."""
    parents, workers = messages.pair()
    with parents:
        for number, channel in enumerate(channels):
            hand(parents, number, [channel.fileno()])
            channel.close()
    return workers


async def ready(*engines: EngineClient) -> None:
    for one in engines:
        one.start()
    while not all(one.loaded for one in engines):
        await asyncio.sleep(0.001)


async def embed(engines: EngineClient, *values: int) -> list[float]:
    with engines.memory() as memory:
        pixels, offset = memory.array((len(values), 3, 224, 224), np.uint8)
        pixels[:] = np.array(values, np.uint8).reshape(-1, 1, 1, 1)
        done = await engines.embed_pixels(offset, len(values), memory)
        return done.embeddings[:, 3].tolist()


async def settled(engines: EngineClient) -> None:
    """Wait until the engine has let go of everything."""
    while engines.outstanding:
        await asyncio.sleep(0.001)
