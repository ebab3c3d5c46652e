"""A worker's side and an engine's side, over real sockets and shared memory, with a model that is one number."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from server.pytorch.engine.channels import Channels
from server.pytorch.engine.engine import Engine
from server.pytorch.engine.work import Encoded, Segment
from server.pytorch.engines import EngineFailed, Engines, QueueFull
from server.pytorch.errors import NotReady
from server.pytorch.heartbeat import BEAT_EVERY_S
from server.pytorch.ipc import messages
from server.pytorch.ipc.arena import Arena
from server.pytorch.ipc.counters import Counters
from server.pytorch.ipc.messages import Loaded
from server.pytorch.metrics import Metrics

MODELS = ("model",)


class Model:
    """Embeds an image as its first value; fails on 255; can be held."""

    depth = 1
    max_batch = 16

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[int] = []

    def launch(self, segments: list[Segment]) -> Encoded:
        assert self.gate.wait(10)
        pixels = torch.cat([segment.pixels for segment in segments])
        self.batches.append(len(pixels))
        values = pixels[:, 0, 0, 0].float()
        if (values == 255).any():
            raise RuntimeError("the model failed")
        return Encoded(values[:, None].repeat(1, 512).numpy(), 1, 2, 3)

    def collect(self, flight: Encoded) -> Encoded:
        return flight


class Rig:
    """One engine and two workers."""

    def __init__(self) -> None:
        self.model = Model()
        self.counters = Counters.create(3, MODELS, 16)
        self.pairs = [messages.pair() for _ in range(2)]
        self.arenas = [Arena.create(64 << 20) for _ in range(2)]
        ends = [(pair[1], Arena(arena.fileno())) for pair, arena in zip(self.pairs, self.arenas, strict=True)]
        engine = Engine(
            Channels(ends), self.model, None, delay_us=0,
            statistics=self.counters.statistics(2)["model"], metrics=Metrics(),
            beat=lambda: self.counters.beat(2),
        )  # fmt: skip
        self.thread = threading.Thread(target=engine.serve, args=(Loaded("fp32", "cpu"),), daemon=True)

    def worker(self, index: int, max_queue_images: int = 1000, request_timeout_s: float = 60) -> Engines:
        return Engines(
            [self.pairs[index][0]], self.arenas[index], self.counters, index,
            max_queue_images=max_queue_images, request_timeout_s=request_timeout_s,
        )  # fmt: skip


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.model.gate.set()
    for end, _ in made.pairs:
        end.close()
    if made.thread.ident is None:
        made.thread.start()
    made.thread.join(10)
    assert not made.thread.is_alive()
    for _, end in made.pairs:
        end.close()


async def ready(*engines: Engines) -> None:
    for one in engines:
        one.start()
    while not all(one.loaded for one in engines):
        await asyncio.sleep(0.001)


async def embed(engines: Engines, *values: int) -> list[float]:
    with engines.memory() as memory:
        pixels, offset = memory.array((len(values), 3, 224, 224), np.uint8)
        pixels[:] = np.array(values, np.uint8).reshape(-1, 1, 1, 1)
        done = await engines.embed_pixels(offset, len(values), memory)
        return done.embeddings[:, 3].tolist()


async def test_two_workers_share_an_engine(rig: Rig) -> None:
    rig.thread.start()
    workers = rig.worker(0), rig.worker(1)
    await ready(*workers)
    answers = await asyncio.gather(
        *(embed(workers[number % 2], number, number + 1, number + 2) for number in range(40))
    )
    assert answers == [[number, number + 1, number + 2] for number in range(40)]
    assert workers[0].outstanding == 0
    snapshot = rig.counters.statistics(0)["model"].snapshot()
    assert snapshot["execution_count"] == len(rig.model.batches)
    for one in workers:
        one.close()


async def test_a_failed_batch_is_an_error_and_not_the_end(rig: Rig) -> None:
    rig.thread.start()
    worker = rig.worker(0)
    await ready(worker)
    with pytest.raises(EngineFailed, match="log"):
        await embed(worker, 255)
    assert await embed(worker, 3) == [3]
    worker.close()


async def test_a_full_queue_refuses_at_once_and_counts_all_workers(rig: Rig) -> None:
    rig.thread.start()
    rig.model.gate.clear()
    first, second = rig.worker(0, 4), rig.worker(1, 4)
    await ready(first, second)
    waiting = asyncio.create_task(embed(first, 1, 2, 3))
    await asyncio.sleep(0.05)
    assert second.outstanding == 3
    with pytest.raises(QueueFull, match="MAX_QUEUE_IMAGES=4"):
        await embed(second, 4, 5)
    rig.model.gate.set()
    assert await waiting == [1, 2, 3]
    assert await embed(second, *range(9)) == list(range(9))  # alone, a request of any size is taken
    first.close()
    second.close()


async def held(rig: Rig, worker: Engines, seconds: float) -> None:
    """Let one image take `seconds`."""
    rig.model.gate.clear()
    slow = asyncio.create_task(embed(worker, 1))
    await asyncio.sleep(seconds)
    rig.model.gate.set()
    await slow


async def test_more_than_can_be_embedded_in_time_is_refused(rig: Rig) -> None:
    rig.thread.start()
    worker = rig.worker(0, request_timeout_s=2)
    await ready(worker)
    await held(rig, worker, 0.3)
    rig.model.gate.clear()
    waiting = asyncio.create_task(embed(worker, 1, 2))  # alone, whatever it takes
    await asyncio.sleep(0.01)
    with pytest.raises(QueueFull, match="2 images are waiting already, so an answer would take"):
        await embed(worker, 3, 4)
    rig.model.gate.set()
    assert await waiting == [1, 2]
    assert await asyncio.gather(*(embed(worker, number) for number in range(8))) == [[number] for number in range(8)]
    worker.close()


async def test_a_request_that_is_given_up_tells_how_slow_it_is(rig: Rig) -> None:
    rig.thread.start()
    worker = rig.worker(0, request_timeout_s=2)
    await ready(worker)
    rig.model.gate.clear()
    lost = asyncio.create_task(embed(worker, 1))
    await asyncio.sleep(0.6)
    lost.cancel()
    await asyncio.wait([lost])
    with pytest.raises(QueueFull, match="REQUEST_TIMEOUT_S"):
        await embed(worker, 2)
    rig.model.gate.set()
    while worker.outstanding:
        await asyncio.sleep(0.001)
    assert await embed(worker, 3) == [3]
    worker.close()


async def test_memory_of_a_cancelled_request_stays_until_the_engine_lets_go(rig: Rig) -> None:
    rig.thread.start()
    rig.model.gate.clear()
    worker = rig.worker(0)
    await ready(worker)
    blocker = asyncio.create_task(embed(worker, 1))
    await asyncio.sleep(0.05)
    leaving = asyncio.create_task(embed(worker, 2))
    await asyncio.sleep(0.05)
    leaving.cancel()
    await asyncio.sleep(0.05)
    assert worker._allocator.free_bytes < worker.arena_size
    assert worker.outstanding == 2
    rig.model.gate.set()
    assert await blocker == [1]
    while worker.outstanding:
        await asyncio.sleep(0.001)
    assert worker._allocator.free_bytes == worker.arena_size
    assert rig.model.batches == [1]
    worker.close()


async def test_an_engine_that_dies_fails_what_waits(rig: Rig) -> None:
    worker = rig.worker(0)
    worker.start()
    rig.pairs[0][1].send(messages.encode(Loaded("fp32", "cpu")))
    while not worker.loaded:
        await asyncio.sleep(0.001)
    waiting = asyncio.create_task(embed(worker, 1))
    await asyncio.sleep(0.01)
    rig.pairs[0][1].shutdown(socket.SHUT_RDWR)  # as its death would
    with pytest.raises(NotReady, match="started again"):
        await waiting
    assert worker.loaded is None
    assert worker.outstanding == 0


async def test_replies_are_kept_for_a_worker_that_does_not_read(rig: Rig) -> None:
    rig.thread.start()
    slow, other = rig.worker(0), rig.worker(1)
    await ready(slow, other)
    asyncio.get_running_loop().remove_reader(rig.pairs[0][0])
    asked = [asyncio.create_task(embed(slow, number % 200)) for number in range(300)]
    await asyncio.sleep(0.3)
    assert await embed(other, 9) == [9]
    slow.start()
    assert [answer[0] for answer in await asyncio.gather(*asked, return_exceptions=True) if isinstance(answer, list)]
    assert slow.outstanding == 0
    slow.close()
    other.close()


async def test_an_engine_is_silent_while_it_gets_nowhere(rig: Rig) -> None:
    def last() -> int:
        return rig.counters.last_beat(2)

    async def beats_within(seconds: float) -> bool:
        before = last()
        await asyncio.sleep(seconds)
        return last() != before

    assert last() == 0  # it loads
    rig.thread.start()
    worker = rig.worker(0)
    await ready(worker)
    assert await beats_within(4 * BEAT_EVERY_S)  # it has nothing to do
    rig.model.gate.clear()
    held = asyncio.create_task(embed(worker, 1))
    await asyncio.sleep(2 * BEAT_EVERY_S)
    more = asyncio.create_task(embed(worker, 2))  # is taken in, which is no progress
    assert not await beats_within(4 * BEAT_EVERY_S)
    rig.model.gate.set()
    assert [await held, await more] == [[1], [2]]
    assert await beats_within(4 * BEAT_EVERY_S)
    worker.close()


async def test_of_two_engines_the_less_busy_one_is_asked() -> None:
    models = Model(), Model()
    counters = Counters.create(3, MODELS, 16)
    pairs = [messages.pair() for _ in models]
    arena = Arena.create(64 << 20)
    threads = []
    for index, (model, pair) in enumerate(zip(models, pairs, strict=True)):
        engine = Engine(
            Channels([(pair[1], Arena(arena.fileno()))]), model, None, delay_us=0,
            statistics=counters.statistics(1 + index)["model"], metrics=Metrics(), beat=lambda: None,
        )  # fmt: skip
        threads.append(threading.Thread(target=engine.serve, args=(Loaded("fp32", "cpu"),), daemon=True))
    worker = Engines([pair[0] for pair in pairs], arena, counters, 0, max_queue_images=1000, request_timeout_s=60)
    threads[0].start()
    worker.start()
    await asyncio.sleep(0.05)
    assert worker.loaded is None  # one of two is not all
    threads[1].start()
    while not worker.loaded:
        await asyncio.sleep(0.001)
    models[0].gate.clear()
    held = asyncio.create_task(embed(worker, 1, 2))
    await asyncio.sleep(0.02)
    for value in range(5):
        assert await embed(worker, value) == [value]
    models[0].gate.set()
    assert await held == [1, 2]
    assert models[0].batches == [2]
    assert models[1].batches == [1] * 5
    worker.close()
    for thread, pair in zip(threads, pairs, strict=True):
        await asyncio.to_thread(thread.join, 10)
        pair[1].close()
