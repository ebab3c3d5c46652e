"""Waiting for an answer as long as somebody wants it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

T = TypeVar("T")


class DeadlineExceeded(RuntimeError):
    """There was no answer in time."""


class ClientGone(RuntimeError):
    """The client closed its connection before the answer."""


async def answer_in_time(request: Request, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """Return what `work` returns, and cancel it when nobody waits for that any more.

    Args:
        request: whose body has been read.
        work: serves it.
        timeout_s: seconds that it may take.

    Raises:
        DeadlineExceeded: it took longer.
        ClientGone: the client left.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, gone), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise ClientGone
        raise DeadlineExceeded(f"no answer within {timeout_s:g} s (REQUEST_TIMEOUT_S); send fewer images or try again")
    finally:
        gone.cancel()
        task.cancel()
        if not task.done():
            await asyncio.wait((task,))


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
