"""Reading a request's body into shared memory as it arrives, so that it is not copied again."""

import numpy as np
from fastapi import Request

from server.ipc.arena import Blocks

EMPTY = memoryview(b"")


async def read_body(request: Request, memory: Blocks, largest: int) -> memoryview:
    """Return the body.

    Args:
        request: whose body has not been read yet.
        memory: where a body of stated length goes.
        largest: bytes; a longer body, or one of unknown length, is read into ordinary memory.

    Raises:
        ArenaFull: there is no room now.
    """
    stated = request.headers.get("content-length", "")
    if not stated.isdigit() or int(stated) > largest:
        return memoryview(await request.body())
    length = int(stated)
    if length == 0:
        return EMPTY
    body = memory.view(memory.allocate(length), length)
    position = 0
    async for chunk in request.stream():
        body[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
        position += len(chunk)
    return memoryview(body)  # type: ignore[arg-type]  # an array of bytes is a buffer
