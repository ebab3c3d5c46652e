"""A process that takes the place of one that died goes on with what is left, and the others with what they had."""

import asyncio
import gc
import mmap
import os
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from server.http.errors import NotReady
from server.http.metrics import Metrics
from server.ipc import handover, messages
from server.ipc.arena import Arena
from server.ipc.counters import Counters
from server.ipc.handover import hand
from server.ipc.messages import Done, EmbedPixels, Loaded, decode_request, encode
from server.pytorch.engine.channels import Channels
from server.pytorch.engine.engine_server import EngineServer
from server.pytorch.engine_client import EngineClient
from tests.unit.pytorch.encoder_double import EncoderDouble
from tests.unit.pytorch.rig import MODELS, Rig, embed, ready, settled

STOPPED = r"^the engine has stopped; it is being started again$"


async def test_an_engine_outlives_its_workers_and_serves_those_that_take_their_places(rig: Rig) -> None:
    rig.thread.start()
    for index in range(2):
        worker = rig.worker(index)
        await ready(worker)
        worker.close()
    for index in (1, 0, 1):
        rig.replace_worker(index)
        worker = rig.worker(index)
        await ready(worker)
        assert await embed(worker, *range(20)) == list(range(20))
        worker.close()
    assert rig.thread.is_alive()


async def test_what_a_dead_worker_had_asked_is_not_computed_and_others_are_answered(rig: Rig) -> None:
    rig.thread.start()
    dying, other = rig.worker(0), rig.worker(1)
    await ready(dying, other)
    rig.model.gate.clear()
    blocker = asyncio.create_task(embed(other, 1))
    while not rig.model.batches:
        await asyncio.sleep(0.001)
    lost = [asyncio.create_task(embed(dying, value)) for value in (2, 3)]
    await asyncio.sleep(0.05)
    dying._links[0]._channel.shutdown(socket.SHUT_RDWR)  # as its death would
    for one in lost:
        with pytest.raises(NotReady, match=STOPPED):
            await one
    rig.replace_worker(0)
    successor = rig.worker(0)
    successor.start()
    waiting = asyncio.create_task(embed(other, 4))
    await asyncio.sleep(0.05)
    rig.model.gate.set()
    assert [await blocker, await waiting] == [[1], [4]]
    await ready(successor)
    assert await embed(successor, 5) == [5]
    assert rig.model.batches == [1, 1, 1]
    for worker in (dying, other, successor):
        worker.close()


def mapped_arenas() -> int:
    with open("/proc/self/maps", encoding="ascii") as maps:  # noqa: PTH123
        return sum("bakeoff-arena" in line for line in maps)


async def test_an_engine_keeps_no_memory_and_no_descriptor_of_workers_that_died(rig: Rig) -> None:
    async def replaced() -> tuple[int, int]:
        rig.replace_worker(0)
        worker = rig.worker(0)
        await ready(worker)
        assert await embed(worker, 7) == [7]
        worker.close()
        del worker
        while len(rig.channels.all) > 1:
            await asyncio.sleep(0.001)
        gc.collect()
        return len(os.listdir("/proc/self/fd")), mapped_arenas()  # noqa: PTH208

    rig.thread.start()
    rig.pairs[0][0].close()
    await replaced()
    first = await replaced()
    for _ in range(20):
        last = await replaced()
    assert last <= first


@dataclass
class Engines:
    """A worker with two engines, each of which can die and be replaced."""

    worker: EngineClient
    control: socket.socket
    ends: dict[int, socket.socket]
    counters: Counters

    def start(self, number: int) -> socket.socket:
        """Hand the worker a channel to a new engine, and return the engine's end."""
        ours, theirs = messages.pair()
        with ours:
            hand(self.control, number, [ours.fileno()])
        if number in self.ends:
            self.ends[number].close()
        self.ends[number] = theirs
        theirs.settimeout(10)
        return theirs


@pytest.fixture
async def engines() -> AsyncIterator[Engines]:
    parents, workers = messages.pair()
    counters = Counters.create(3, MODELS, 16)
    worker = EngineClient(
        workers, Arena.create(64 << 20), counters, 0, engine_rows=[1, 2],
        max_batch=16, max_queue_images=100, request_timeout_s=60,
    )  # fmt: skip
    worker.start()
    made = Engines(worker, parents, {}, counters)
    yield made
    worker.close()
    parents.close()
    for end in made.ends.values():
        end.close()


async def loaded(worker: EngineClient, count: int) -> None:
    while sum(link.loaded is not None for link in worker._links.values()) != count:
        await asyncio.sleep(0.001)


LOADED = encode(Loaded("fp32", "cpu"))


def asked(engine: socket.socket) -> EmbedPixels:
    message = decode_request(engine.recv(messages.MAX_PACKET))
    assert isinstance(message, EmbedPixels)
    return message


async def test_the_requests_of_an_engine_that_died_are_refused_and_the_other_one_goes_on(engines: Engines) -> None:
    worker = engines.worker
    for number in range(2):
        engines.start(number).send(LOADED)
    await loaded(worker, 2)
    waiting = [asyncio.create_task(embed(worker, value)) for value in (1, 2)]
    await asyncio.sleep(0.01)
    theirs = asked(engines.ends[1])
    engines.ends[0].close()
    with pytest.raises(NotReady, match=STOPPED):
        await waiting[0]
    assert worker.outstanding == 1
    assert worker.missing == "engine 0 has stopped and loads the model again"
    new = engines.start(0)  # loads
    for value in (3, 4):
        waiting.append(asyncio.create_task(embed(worker, value)))
        await asyncio.sleep(0.01)
        assert asked(engines.ends[1]).count == 1
    engines.ends[1].send(encode(Done(theirs.id, None, [], 0, 0, 0, 0)))
    await waiting[1]
    new.send(LOADED)
    await loaded(worker, 2)
    assert worker.missing is None
    last = asyncio.create_task(embed(worker, 5))
    await asyncio.sleep(0.01)
    assert asked(new).count == 1  # the one with less to do
    for end in engines.ends.values():
        end.close()
    for one in (*waiting[2:], last):
        with pytest.raises(NotReady, match=STOPPED):
            await one
    assert worker.outstanding == 0
    assert worker._allocator.free_bytes == worker.arena_size


async def test_a_lone_engine_is_called_the_engine_whether_it_loads_or_was_lost(engines: Engines) -> None:
    worker = engines.worker
    worker._engine_rows = [1]
    assert (worker.missing, worker.lost) == ("the engine is still loading the model", False)
    waiting = asyncio.create_task(worker.some_loaded())
    engines.start(0)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    engines.ends[0].send(LOADED)
    await asyncio.wait_for(waiting, 10)
    assert (worker.missing, worker.lost) == (None, False)
    old = next(iter(worker._links.values()))
    engines.start(0)
    while old in worker._links.values():
        await asyncio.sleep(0.001)
    assert (worker.missing, worker.lost) == ("the engine has stopped and loads the model again", True)


async def test_a_worker_that_cannot_be_connected_any_more_says_so_and_ends(
    engines: Engines, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(_: socket.socket) -> None:
        raise OSError("no descriptor is left")

    def ended(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(handover, "receive", refused)
    monkeypatch.setattr(os, "_exit", ended)
    with pytest.raises(SystemExit) as end:
        engines.worker._connect()
    assert end.value.code == 1
    assert caplog.messages == [
        "an engine cannot be connected, so the worker ends and is started again: no descriptor is left"
    ]


async def test_a_reply_that_an_engine_sent_before_it_died_is_not_lost_when_its_successor_comes_first(
    engines: Engines,
) -> None:
    """The kernel wakes the worker for both at once, in whatever order."""
    worker = engines.worker
    old = engines.start(0)
    old.send(LOADED)
    await loaded(worker, 1)
    waiting = asyncio.create_task(embed(worker, 1))
    await asyncio.sleep(0.01)
    old.send(encode(Done(asked(old).id, None, [], 0, 0, 0, 0)))
    engines.start(0)
    worker._connect()
    await waiting
    assert worker.loaded is None


async def test_without_an_engine_everything_is_refused_in_words_until_one_has_loaded(engines: Engines) -> None:
    worker = engines.worker
    assert (worker.loaded, worker.lost) == (None, False)
    assert worker.missing == "engine 0, 1 is still loading the model"
    engines.start(1).send(LOADED)
    await loaded(worker, 1)
    engines.ends[1].close()
    await loaded(worker, 0)
    assert (worker.loaded, worker.lost) == (None, True)
    with pytest.raises(NotReady, match=STOPPED):
        await embed(worker, 1)
    leaving = asyncio.create_task(embed(worker, 2))
    leaving.cancel()
    await asyncio.wait([leaving])
    engines.start(1).send(LOADED)
    await loaded(worker, 1)
    again = asyncio.create_task(embed(worker, 3))
    await asyncio.sleep(0.01)
    engines.ends[1].send(encode(Done(asked(engines.ends[1]).id, None, [], 0, 0, 0, 0)))
    await again
    await settled(worker)
    assert worker._allocator.free_bytes == worker.arena_size


async def test_a_worker_that_takes_a_place_waits_for_the_engines_that_have_loaded_and_for_no_others(
    engines: Engines,
) -> None:
    await asyncio.wait_for(engines.worker.connected(60), 10)
    engines.counters.beat(2)
    await engines.worker.connected(0.05)
    connected = asyncio.create_task(engines.worker.connected(60))
    await asyncio.sleep(0.05)
    assert not connected.done()
    engines.start(1).send(LOADED)
    await asyncio.wait_for(connected, 10)


def test_an_engine_that_is_told_to_finish_while_it_loads_ends_with_its_workers() -> None:
    channels, counters = Channels(), Counters.create(1, MODELS, 16)
    ours, theirs = messages.pair()
    channels.add(theirs, Arena.create(mmap.PAGESIZE))
    channels.finish()
    engine = EngineServer(
        channels, EncoderDouble(), None, delay_us=0, statistics=counters.statistics(0)["model"], metrics=Metrics(),
        beat=lambda: None,
    )  # fmt: skip
    thread = threading.Thread(target=engine.serve, args=(Loaded("fp32", "cpu"),), daemon=True)
    thread.start()
    assert ours.recv(messages.MAX_PACKET) == LOADED
    assert thread.is_alive()
    ours.close()
    thread.join(10)
    assert not thread.is_alive()
