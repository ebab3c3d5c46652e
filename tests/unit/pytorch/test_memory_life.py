"""Shared memory belongs to a request until no engine reads or writes it any more, whatever has become of the request."""

import asyncio
import socket

import numpy as np
import pytest

from server.http.errors import NotReady, QueueFull
from server.ipc import messages
from server.ipc.messages import Loaded
from server.pytorch.engine_client import EngineClient
from tests.unit.pytorch.rig import Rig, embed, ready, settled

MORE_THAN_A_BATCH = [7] * 20
MARK = 0xA5


def free(worker: EngineClient) -> int:
    return worker._allocator.free_bytes


async def in_work(rig: Rig, worker: EngineClient, *values: int) -> "asyncio.Task[list[float]]":
    """Ask, and return when the engine has begun with it."""
    rig.model.launched.clear()
    task = asyncio.create_task(embed(worker, *values))
    while not rig.model.launched.is_set():
        await asyncio.sleep(0.001)
    return task


async def given_up(task: "asyncio.Task[list[float]]") -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.fixture
async def worker(rig: Rig) -> EngineClient:
    rig.thread.start()
    one = rig.worker(0)
    await ready(one)
    return one


@pytest.mark.parametrize("values", [[7], MORE_THAN_A_BATCH], ids=["one batch", "two batches"])
async def test_an_engine_writes_into_no_memory_that_another_request_was_given(
    rig: Rig, worker: EngineClient, values: list[int]
) -> None:
    rig.model.gate.clear()
    await given_up(await in_work(rig, worker, *values))
    await asyncio.sleep(0.05)  # the engine reads that it is given up
    with worker.memory() as memory:
        others, _ = memory.array((free(worker),), np.uint8)
        others[:] = MARK
        rig.model.gate.set()
        await settled(worker)
        assert np.flatnonzero(others != MARK).tolist() == []
    assert free(worker) == worker.arena_size
    worker.close()


async def test_what_is_answered_lies_in_no_memory_that_is_given_away_before_it_is_read(
    rig: Rig, worker: EngineClient
) -> None:
    with worker.memory() as memory:
        pixels, offset = memory.array((20, 3, 224, 224), np.uint8)
        pixels[:] = np.arange(20, dtype=np.uint8).reshape(-1, 1, 1, 1)
        done = await worker.embed_pixels(offset, 20, memory)
        assert await asyncio.gather(*(embed(worker, 100) for _ in range(8))) == [[100]] * 8
        assert done.embeddings[:, 3].tolist() == list(range(20))
    assert free(worker) == worker.arena_size
    worker.close()


async def test_what_waits_is_not_computed_when_it_is_given_up_and_its_memory_comes_back(
    rig: Rig, worker: EngineClient
) -> None:
    rig.model.gate.clear()
    blocker = await in_work(rig, worker, 1)
    leaving = asyncio.create_task(embed(worker, 2))
    while worker.outstanding < 2:
        await asyncio.sleep(0.001)
    held = free(worker)
    await given_up(leaving)
    await asyncio.sleep(0.05)  # as above
    assert (free(worker), worker.outstanding) == (held, 2)
    rig.model.gate.set()
    assert await blocker == [1]
    await settled(worker)
    assert free(worker) == worker.arena_size
    assert rig.model.batches == [1]
    worker.close()


async def test_memory_of_an_engine_that_died_comes_back(rig: Rig) -> None:
    worker = rig.worker(0)
    worker.start()
    rig.pairs[0][1].send(messages.encode(Loaded("fp32", "cpu")))
    while not worker.loaded:
        await asyncio.sleep(0.001)
    waiting = asyncio.create_task(embed(worker, 1))
    leaving = asyncio.create_task(embed(worker, 2))
    await asyncio.sleep(0.01)
    await given_up(leaving)
    rig.pairs[0][1].shutdown(socket.SHUT_RDWR)  # as its death would
    with pytest.raises(NotReady, match="started again"):
        await waiting
    assert worker.loaded is None
    assert worker.outstanding == 0
    assert free(worker) == worker.arena_size
    worker.close()


async def test_a_request_that_cannot_be_sent_holds_no_memory(rig: Rig) -> None:
    rig.pairs[0][0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    worker = rig.worker(0)  # its engine reads nothing
    rig.pairs[0][1].send(messages.encode(Loaded("fp32", "cpu")))
    await ready(worker)
    asked = [asyncio.create_task(embed(worker, 1)) for _ in range(100)]
    await asyncio.sleep(0.05)
    refused = [task for task in asked if task.done()]
    assert 0 < len(refused) < len(asked)
    assert all(isinstance(task.exception(), QueueFull) for task in refused)
    assert worker.outstanding == len(asked) - len(refused)
    used = worker.arena_size - free(worker)
    rig.pairs[0][1].shutdown(socket.SHUT_RDWR)
    await asyncio.wait(asked)
    other = rig.worker(1)
    assert used == (len(asked) - len(refused)) * for_one_image(other)
    assert free(worker) == worker.arena_size
    worker.close()
    other.close()


def for_one_image(worker: EngineClient) -> int:
    """Return the bytes that an image and its embedding take."""
    with worker.memory() as memory:
        memory.array((1, 3, 224, 224), np.uint8)
        memory.array((1, 512), np.float32)
        return worker.arena_size - free(worker)
