"""Workers and an engine, over real sockets and shared memory: who gets which embeddings, and what of errors."""

import asyncio
import socket
import threading

import pytest

from server.http.errors import QueueFull
from server.http.heartbeat import BEAT_EVERY_S
from server.http.metrics import Metrics
from server.ipc import messages
from server.ipc.arena import Arena
from server.ipc.counters import Counters
from server.ipc.messages import Loaded
from server.pytorch.engine.channels import Channels
from server.pytorch.engine.engine_server import EngineServer
from server.pytorch.engine_client import EngineClient, EngineFailed
from tests.unit.pytorch.encoder_double import FAILS, FAILS_LATER, EncoderDouble
from tests.unit.pytorch.rig import MODELS, Rig, control_with, embed, ready


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


@pytest.mark.parametrize("failure", [FAILS, FAILS_LATER])
@pytest.mark.parametrize("row", [0, 15, 16, 19])
async def test_a_request_of_which_one_batch_fails_is_an_error_and_not_the_end(rig: Rig, row: int, failure: int) -> None:
    rig.thread.start()
    worker = rig.worker(0)
    await ready(worker)
    values = list(range(20))
    assert await embed(worker, *values) == values
    assert rig.model.batches == [16, 4]
    values[row] = failure
    with pytest.raises(EngineFailed, match="log"):
        await embed(worker, *values)
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
    with pytest.raises(QueueFull, match="MAX_QUEUE_IMAGES for each engine"):
        await embed(second, 4, 5)
    rig.model.gate.set()
    assert await waiting == [1, 2, 3]
    assert await embed(second, *range(9)) == list(range(9))  # alone, a request of any size is taken
    first.close()
    second.close()


async def refused(worker: EngineClient) -> str:
    """Return what the worker says once it refuses one image more."""
    while True:
        try:
            worker.admit(1)
        except QueueFull as error:
            return str(error)
        await asyncio.sleep(0.01)


async def test_what_the_engines_would_not_get_to_in_time_is_refused_by_every_worker(rig: Rig) -> None:
    rig.thread.start()
    first, second = (rig.worker(index, request_timeout_s=4, max_batch=4) for index in range(2))
    await ready(first, second)
    rig.model.gate.clear()
    waiting = [asyncio.create_task(embed(first, number)) for number in range(20)]
    for worker in (first, second):
        assert "20 images are waiting already, so an answer would take" in await refused(worker)
    rig.model.gate.set()
    assert await asyncio.gather(*waiting) == [[number] for number in range(20)]
    assert await embed(second, *range(9)) == list(range(9))
    first.close()
    second.close()


async def test_many_images_elsewhere_and_a_lone_answer_lock_nobody_out(rig: Rig) -> None:
    rig.thread.start()
    worker = rig.worker(0, max_queue_images=2000)
    await ready(worker)
    rig.model.gate.clear()
    slow = asyncio.create_task(embed(worker, 1))
    await asyncio.sleep(0.1)
    rig.model.gate.set()
    await slow
    rig.counters.add_outstanding(1, 800)
    for _ in range(1000):
        worker.admit(1)
    worker.close()


async def test_replies_are_kept_for_a_worker_that_does_not_read(rig: Rig) -> None:
    rig.pairs[0][1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    rig.thread.start()
    slow, other = rig.worker(0), rig.worker(1)
    await ready(slow, other)
    asyncio.get_running_loop().remove_reader(slow._links[0]._channel)
    asked: list[asyncio.Task[list[float]]] = []
    for number in range(100):
        asked.append(asyncio.create_task(embed(slow, number)))
        while len(rig.model.batches) <= number:
            await asyncio.sleep(0.001)
    assert rig.channels.all[0].waits_to_send
    assert await embed(other, 9) == [9]
    slow._links[0].start()
    assert await asyncio.gather(*asked) == [[number] for number in range(100)]
    assert not rig.channels.all[0].waits_to_send
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


async def test_of_two_engines_the_less_busy_one_is_asked_and_each_has_its_queue() -> None:
    models = EncoderDouble(), EncoderDouble()
    counters = Counters.create(3, MODELS, 16)
    pairs = [messages.pair() for _ in models]
    arena = Arena.create(64 << 20)
    threads = []
    for index, (model, pair) in enumerate(zip(models, pairs, strict=True)):
        channels = Channels()
        channels.add(pair[1], Arena(arena.fileno()))
        channels.finish()
        engine = EngineServer(
            channels, model, None, delay_us=0,
            statistics=counters.statistics(1 + index)["model"], metrics=Metrics(), beat=lambda: None,
        )  # fmt: skip
        threads.append(threading.Thread(target=engine.serve, args=(Loaded("fp32", "cpu"),), daemon=True))
    worker = EngineClient(
        control_with(*(pair[0] for pair in pairs)),
        arena,
        counters,
        0,
        engine_rows=[1, 2],
        max_batch=16,
        max_queue_images=500,
        request_timeout_s=60,
    )
    worker.start()
    await asyncio.sleep(0.05)
    assert (worker.loaded, worker.missing) == (None, "engine 0, 1 is still loading the model")
    threads[0].start()
    while not worker.loaded:
        await asyncio.sleep(0.001)
    assert worker.missing == "engine 1 is still loading the model"
    assert await embed(worker, 9) == [9]
    models[0].batches.clear()
    threads[1].start()
    while worker.missing:
        await asyncio.sleep(0.001)
    counters.add_outstanding(1, 936)
    worker.admit(64)  # 500 for each engine
    with pytest.raises(QueueFull, match="1000 may"):
        worker.admit(65)
    counters.add_outstanding(1, -936)
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
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
