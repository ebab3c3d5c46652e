"""An answer is waited for as long as its client is there and its time has not come."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi import Request

from server.http.waiting import ClientGone, DeadlineExceeded, answer_in_time


def request(receive: Callable[[], Awaitable[dict[str, str]]]) -> Request:
    return Request({"type": "http", "headers": []}, receive)  # type: ignore[arg-type]


async def patient() -> dict[str, str]:
    await asyncio.Event().wait()
    return {}


async def leaving() -> dict[str, str]:
    await asyncio.sleep(0.02)
    return {"type": "http.disconnect"}


class Work:
    """Takes `seconds`, and tells whether it was cancelled."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.cancelled = False

    async def __call__(self) -> str:
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "answer"


@pytest.mark.parametrize("seconds", [0, 0.05])
async def test_an_answer_in_time(seconds: float) -> None:
    assert await answer_in_time(request(patient), Work(seconds)(), 5) == "answer"


async def test_a_late_answer_is_given_up() -> None:
    work = Work(5)
    with pytest.raises(DeadlineExceeded, match=r"0\.03 s \(REQUEST_TIMEOUT_S\)"):
        await answer_in_time(request(patient), work(), 0.03)
    assert work.cancelled


async def test_nobody_waits_for_a_client_that_left() -> None:
    work = Work(5)
    with pytest.raises(ClientGone):
        await answer_in_time(request(leaving), work(), 5)
    assert work.cancelled


async def test_the_servers_own_cancelling_is_not_a_client_that_left() -> None:
    work = Work(5)
    task = asyncio.create_task(answer_in_time(request(patient), work(), 5))
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.cancelled


async def test_an_error_of_the_work_is_its_own() -> None:
    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await answer_in_time(request(patient), fails(), 5)


async def test_a_message_that_is_not_the_end_of_a_client_is_none() -> None:
    messages = iter(["http.request", "http.request"])

    async def sending() -> dict[str, str]:
        kind = next(messages, None)
        return await patient() if kind is None else {"type": kind}

    assert await answer_in_time(request(sending), Work(0.05)(), 5) == "answer"
    assert list(messages) == []
