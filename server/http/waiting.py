"""Waiting for an answer as long as somebody wants it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

LOOK_AFTER_S = 0.01
"""A request that takes no longer is answered before anything could be saved by noticing that its client has left."""

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
    task = asyncio.current_task()
    assert task is not None
    watch = _Watch(request, task)
    timer = asyncio.get_running_loop().call_later(LOOK_AFTER_S, watch.start)
    try:
        async with asyncio.timeout(timeout_s):
            return await work
    except TimeoutError:
        raise DeadlineExceeded(
            f"no answer within {timeout_s:g} s (REQUEST_TIMEOUT_S); send fewer images or try again"
        ) from None
    except asyncio.CancelledError:
        if watch.gone:
            task.uncancel()
            raise ClientGone from None
        raise
    finally:
        timer.cancel()
        watch.stop()


class _Watch:
    """Cancels a request's task when its client has left."""

    def __init__(self, request: Request, task: asyncio.Task[Any]) -> None:
        self.gone = False
        self._request = request
        self._task = task
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._watching = asyncio.ensure_future(self._watch())

    def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            continue
        self.gone = True
        self._task.cancel()
