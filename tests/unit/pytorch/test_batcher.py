"""Requests share runs of the model, keep their own rows, and fail alone or together but never end the thread."""

import asyncio
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.pytorch.batcher import Batcher, Stopped
from server.pytorch.encoder import Encoded


class Model:
    """Embeds an image as its first pixel; can be held to let requests pile up."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[int] = []
        self.running = threading.Event()

    def encode(self, pixels: np.ndarray) -> Encoded:
        self.running.set()
        assert self.gate.wait(10)
        self.batches.append(len(pixels))
        if (pixels[:, 0, 0, 0] == 255).any():
            raise RuntimeError("the model failed")
        return Encoded(pixels[:, :1, 0, 0].astype(np.float32), 1, 2, 3)


def images(*values: int) -> np.ndarray:
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1)


def make(model: Model, max_batch: int = 8, delay_us: int = 0) -> Batcher:
    return Batcher(model.encode, max_batch=max_batch, delay_us=delay_us, on_execution=lambda *_: None)


async def test_what_waits_shares_a_run() -> None:
    model = Model()
    batcher = make(model)
    model.gate.clear()
    first = asyncio.create_task(batcher.embed(images(1)))
    await asyncio.to_thread(model.running.wait, 10)
    others = [asyncio.create_task(batcher.embed(images(value, value + 1))) for value in (10, 20, 30)]
    await asyncio.sleep(0.05)
    assert batcher.waiting == 3
    model.gate.set()
    await first
    results = await asyncio.gather(*others)
    assert model.batches == [1, 6]
    assert [result.embeddings.ravel().tolist() for result in results] == [[10, 11], [20, 21], [30, 31]]
    assert all(result.queue_ns > 0 for result in results)
    batcher.stop()


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(1, 8), min_size=1, max_size=30))
def test_every_request_gets_its_rows_and_no_run_is_too_large(sizes: list[int]) -> None:
    async def run() -> None:
        model = Model()
        batcher = make(model)
        requests = [images(*[number % 255] * size) for number, size in enumerate(sizes)]
        results = await asyncio.gather(*(batcher.embed(request) for request in requests))
        for request, result in zip(requests, results, strict=True):
            np.testing.assert_array_equal(result.embeddings.ravel(), request.ravel())
        assert max(model.batches) <= 8
        assert sum(model.batches) == sum(sizes)
        batcher.stop()

    asyncio.run(run())


async def test_a_failed_run_fails_its_requests_and_the_next_one_is_served() -> None:
    model = Model()
    batcher = make(model)
    with pytest.raises(RuntimeError, match="the model failed"):
        await batcher.embed(images(255))
    assert (await batcher.embed(images(7))).embeddings.item() == 7
    batcher.stop()


async def test_a_request_whose_client_left_costs_nothing() -> None:
    model = Model()
    batcher = make(model)
    model.gate.clear()
    first = asyncio.create_task(batcher.embed(images(1)))
    await asyncio.to_thread(model.running.wait, 10)
    leaving = asyncio.create_task(batcher.embed(images(2)))
    staying = asyncio.create_task(batcher.embed(images(3)))
    await asyncio.sleep(0.05)
    leaving.cancel()
    await asyncio.sleep(0)
    model.gate.set()
    assert (await first).embeddings.item() == 1
    assert (await staying).embeddings.item() == 3
    assert model.batches == [1, 1]
    batcher.stop()


async def test_stopping_finishes_what_was_accepted_and_takes_nothing_new() -> None:
    model = Model()
    batcher = make(model)
    accepted = [asyncio.create_task(batcher.embed(images(value))) for value in range(5)]
    await asyncio.sleep(0)
    await asyncio.to_thread(batcher.stop)
    assert [result.embeddings.item() for result in await asyncio.gather(*accepted)] == [0, 1, 2, 3, 4]
    with pytest.raises(Stopped):
        await batcher.embed(images(1))


async def test_a_delay_waits_for_company() -> None:
    model = Model()
    batcher = make(model, delay_us=500_000)
    first = asyncio.create_task(batcher.embed(images(1)))
    await asyncio.sleep(0.02)
    second = asyncio.create_task(batcher.embed(images(2)))
    await asyncio.gather(first, second)
    assert model.batches == [2]
    batcher.stop()
