"""A TCP relay whose every chunk leaves a fixed time after it arrived."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

CHUNK_BYTES = 16_384
CHUNKS_ON_THE_WAY = 4096
"""Held back in one direction; beyond that the sender waits. At 30 Mbit/s 12.5 ms are at most 33 of 1,448 bytes."""

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
Accepted = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def relay(connect: Connect, *, delay_s: float = 0.0, first_wait_s: float = 0.0) -> Accepted:
    """Return a handler that joins each accepted connection to one that `connect` makes.

    An end of file is passed on behind the data, so that either side may close its half first; anything worse breaks
    both connections off.

    Args:
        connect: opens the other connection.
        delay_s: in each direction.
        first_wait_s: before anything moves on a new connection.
    """

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            await asyncio.sleep(first_wait_s)
            other_reader, other_writer = await connect()
            writers.append(other_writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(pipe(reader, other_writer, delay_s))
                both.create_task(pipe(other_reader, writer, delay_s))
        except* OSError:
            for one in writers:
                reset(one)
        finally:
            for one in writers:
                one.close()
                with suppress(OSError):
                    await one.wait_closed()

    return kept(join)


def kept(handler: Accepted) -> Accepted:
    """Return a handler whose connections live until they are done, and end quietly with the event loop.

    asyncio refers to tasks weakly. Where both sides have ended one half, only the connections' own tasks refer to each
    other, and they are collected as garbage in the middle of an answer.
    """
    running = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add(task := asyncio.current_task())
        try:
            await handler(reader, writer)
        except asyncio.CancelledError:  # Python 3.11's streams would log it as an error
            pass
        finally:
            running.discard(task)

    return accepted


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection off, so that nobody takes it for an end of file."""
    linger_not = struct.pack("ii", 1, 0)  # without this the kernel would end it in an orderly way
    with suppress(OSError):  # the other side was quicker
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
    writer.transport.abort()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Copy until the end of file, and pass that on too; each chunk is written `delay_s` after it was read.

    Raises:
        OSError: a connection broke.
    """
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_ON_THE_WAY if delay_s else 1)
    clock = asyncio.get_running_loop().time

    async def receive() -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await on_the_way.put((clock() + delay_s, chunk))
        await on_the_way.put((clock() + delay_s, b""))

    async def send() -> None:
        while True:
            due, chunk = await on_the_way.get()
            if (early := due - clock()) > 0:
                await asyncio.sleep(early)
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()

    async with asyncio.TaskGroup() as both:
        both.create_task(receive())
        both.create_task(send())
