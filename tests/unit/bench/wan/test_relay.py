import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.wan.relay import Accepted, kept, relay, reset

CHUNKS = st.lists(st.binary(min_size=1, max_size=40_000), max_size=12)


@asynccontextmanager
async def relayed(server: Accepted, delay_s: float = 0.002) -> AsyncIterator[int]:
    """Give the port of a relay, itself behind a relay, before `server`."""
    behind = await asyncio.start_server(kept(server), "127.0.0.1", 0)
    port = behind.sockets[0].getsockname()[1]
    far = await asyncio.start_server(
        relay(partial(asyncio.open_connection, "127.0.0.1", port), delay_s=delay_s), "127.0.0.1", 0
    )
    port = far.sockets[0].getsockname()[1]
    near = await asyncio.start_server(relay(partial(asyncio.open_connection, "127.0.0.1", port)), "127.0.0.1", 0)
    try:
        yield near.sockets[0].getsockname()[1]
    finally:
        await finished(near, far, behind)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def finished(*servers: asyncio.Server) -> None:
    for one in servers:
        one.close()
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait_for(asyncio.gather(*connections, return_exceptions=True), 10)


@given(up=CHUNKS, down=CHUNKS, pauses=st.lists(st.integers(0, 3), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_bytes_are_unchanged_both_ways_and_the_server_answers_behind_the_client_s_end(
    up: list[bytes], down: list[bytes], pauses: list[int]
) -> None:
    async def scenario() -> None:
        received = bytearray()

        async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received.extend(await reader.read())  # until the client's half is closed
            gc.collect()  # what asyncio alone refers to, weakly, would be gone now
            for chunk in down:
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(0)
            await closed(writer)

        async with relayed(server) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for index, chunk in enumerate(up):
                writer.write(chunk)
                await asyncio.sleep(pauses[index % len(pauses)] / 1e3)
            writer.write_eof()
            assert await reader.read() == b"".join(down)
            assert bytes(received) == b"".join(up)
            await closed(writer)

    asyncio.run(scenario())


async def test_a_server_that_breaks_off_is_no_clean_end() -> None:
    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half an answ")
        await writer.drain()
        await reader.read(1)
        reset(writer)
        await closed(writer)

    async with relayed(server) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readexactly(12) == b"half an answ"
        writer.write(b"?")
        with pytest.raises(ConnectionError):
            await reader.read()
        await closed(writer)


async def test_a_server_that_is_not_there_closes_the_connection() -> None:
    def refuse() -> asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        refused: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()
        refused.set_exception(ConnectionRefusedError())
        return refused

    near = await asyncio.start_server(relay(refuse), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", near.sockets[0].getsockname()[1])
    with pytest.raises(ConnectionError):
        await reader.read()
    await closed(writer)
    await finished(near)


async def test_a_chunk_does_not_wait_for_the_one_before_it() -> None:
    """100 chunks, a millisecond apart, behind a delay of 0.2 s: all of them are on their way at once."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    seen = bytearray()

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            seen.extend(data)
            if len(seen) == 100:
                arrived.set()
        await closed(writer)

    async with relayed(server, delay_s=0.2) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        begun = loop.time()
        for _ in range(100):
            writer.write(b"x")
            await asyncio.sleep(0.001)
        await asyncio.wait_for(arrived.wait(), 15)  # one after the other they would take 20 s
        assert loop.time() - begun >= 0.2
        await closed(writer)
