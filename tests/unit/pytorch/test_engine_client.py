"""What a worker tells an engine, and what it makes of the answer; the engine's side is the test."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import numpy as np
import pytest

from server.http.errors import NotReady, QueueFull
from server.ipc.arena import Arena
from server.ipc.counters import Counters
from server.ipc.messages import MAX_PACKET, Done, EmbedFiles, EmbedPixels, Loaded, decode_request, encode, pair
from server.pytorch.engine_client import EngineClient, PlacedFile
from tests.unit.pytorch.rig import control_with, ready


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give the worker's end and the engine's."""
    ours, theirs = pair()
    theirs.settimeout(10)
    with ours, theirs:
        yield ours, theirs


async def worker(ends: tuple[socket.socket, socket.socket], arena: Arena) -> EngineClient:
    counters = Counters.create(2, ("model",), 16)
    engines = EngineClient(
        control_with(ends[0]), arena, counters, 0, engine_rows=[1],
        max_batch=16, max_queue_images=100, request_timeout_s=60,
    )  # fmt: skip
    ends[1].send(LOADED)
    await ready(engines)
    return engines


LOADED = encode(Loaded("fp32", "cpu"))


def fill(channel: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            channel.send(b"nobody reads this")


async def test_files_are_named_by_where_they_lie_and_their_rows_come_back(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    arena = Arena.create(1 << 20)
    engines = await worker(ends, arena)
    with engines.memory() as memory:
        asked = asyncio.create_task(engines.embed_files([PlacedFile(0, 10, 100), PlacedFile(4096, 20, 400)], memory))
        await asyncio.sleep(0.01)
        message = decode_request(ends[1].recv(MAX_PACKET))
        assert isinstance(message, EmbedFiles)
        assert (message.offsets, message.lengths, message.pixels) == ([0, 4096], [10, 20], [100, 400])
        assert engines.outstanding == 2
        arena.view(message.result, 2 * 512 * 4).view(np.float32)[:] = np.repeat([0.25, 0.5], 512)
        ends[1].send(encode(Done(message.id, None, [1], 1, 2, 3, 4)))
        done = await asked
        assert (done.refused, done.queue_ns, done.input_ns, done.infer_ns, done.output_ns) == ((1,), 1, 2, 3, 4)
        assert done.embeddings.shape == (2, 512)
        assert done.embeddings[:, 511].tolist() == [0.25, 0.5]
        assert engines.outstanding == 0
    engines.close()


async def test_who_waits_for_an_engine_that_ends_is_told_so(ends: tuple[socket.socket, socket.socket]) -> None:
    engines = await worker(ends, Arena.create(1 << 20))
    with engines.memory() as memory:
        asked = asyncio.create_task(engines.embed_pixels(8192, 3, memory))
        await asyncio.sleep(0.01)
        message = decode_request(ends[1].recv(MAX_PACKET))
        assert isinstance(message, EmbedPixels)
        assert (message.offset, message.count) == (8192, 3)
        ends[1].close()
        with pytest.raises(NotReady, match=r"^the engine has stopped; it is being started again$"):
            await asked
    engines.close()


async def test_an_engine_that_reads_nothing_is_too_busy_and_one_that_has_ended_has_stopped(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    engines = await worker(ends, Arena.create(1 << 20))
    with engines.memory() as memory:
        fill(engines._links[0]._channel)
        with pytest.raises(QueueFull, match=r"^the engine is too busy to take requests; try again$"):
            await engines.embed_pixels(0, 1, memory)
        ends[1].close()
        with pytest.raises(NotReady, match=r"^the engine has stopped; it is being started again$"):
            await engines.embed_pixels(0, 1, memory)
    assert engines.outstanding == 0
    engines.close()


async def test_whoever_hangs_up_leaves_nothing_running(ends: tuple[socket.socket, socket.socket]) -> None:
    before = asyncio.all_tasks()
    (await worker(ends, Arena.create(1 << 20))).close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_requests_go_to_the_engine_that_has_least_to_do() -> None:
    channels = [pair(), pair()]
    counters = Counters.create(2, ("model",), 16)
    engines = EngineClient(
        control_with(*(ours for ours, _ in channels)), Arena.create(1 << 20), counters, 1, engine_rows=[0, 0],
        max_batch=16, max_queue_images=100, request_timeout_s=60,
    )  # fmt: skip
    for _, theirs in channels:
        theirs.send(LOADED)
    engines.start()
    while engines.missing:
        await asyncio.sleep(0.001)
    with engines.memory() as memory:
        for images in (3, 1, 1, 1, 1):
            asked = asyncio.create_task(engines.embed_pixels(0, images, memory))
            await asyncio.sleep(0.01)
            asked.cancel()
            await asyncio.wait([asked])
        assert (engines.outstanding, counters.last_beat(0)) == (7, 0)
        found: list[list[int]] = []
        for _, theirs in channels:
            theirs.setblocking(False)
            found.append([])
            with contextlib.suppress(BlockingIOError):
                while True:
                    message = decode_request(theirs.recv(MAX_PACKET))
                    found[-1] += [message.count] if isinstance(message, EmbedPixels) else []
    assert found == [[3, 1], [1, 1, 1]]
    engines.close()
    for _, theirs in channels:
        theirs.close()


async def test_what_never_listened_can_hang_up(ends: tuple[socket.socket, socket.socket]) -> None:
    counters = Counters.create(1, ("model",), 16)
    arena = Arena.create(4096)
    EngineClient(
        control_with(ends[0]), arena, counters, 0, engine_rows=[0],
        max_batch=16, max_queue_images=1, request_timeout_s=60,
    ).close()  # fmt: skip
    assert ends[1].recv(MAX_PACKET) == b""


def test_every_engine_may_have_its_queue_and_computes_its_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, float] = {}
    monkeypatch.setattr("server.pytorch.engine_client.Admission", lambda **limits: shown.update(limits))
    EngineClient(
        control_with(), Arena.create(4096), Counters.create(1, ("model",), 16), 0, engine_rows=[1, 2, 3],
        max_batch=16, max_queue_images=100, request_timeout_s=60,
    ).close()  # fmt: skip
    assert shown == {"most": 300, "at_once": 48, "deadline_s": 60}
