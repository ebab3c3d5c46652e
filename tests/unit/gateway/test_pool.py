"""Connections to a Triton are kept, given up in time, and nothing is asked twice that may have been answered."""

import asyncio

import pytest

from server.gateway.connection import ConnectionLost
from server.gateway.pool import MOST_IDLE, Pool
from tests.doubles.triton import TritonDouble, answer, triton_double

QUESTION = [b"GET /x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n", memoryview(b"hello")]


@pytest.fixture
def pool(triton: TritonDouble):
    one = Pool("127.0.0.1", triton.port)
    yield one
    one.close()


async def test_a_connection_is_used_again(triton: TritonDouble, pool: Pool) -> None:
    triton.usual = answer(200, b"ok", "Some-Thing: 7")
    for _ in range(3):
        found = await pool.ask(QUESTION)
        assert (found.status, found.headers[b"some-thing"], found.body) == (200, b"7", b"ok")
    assert triton.connections == 1
    assert [one.body for one in triton.requests] == [b"hello"] * 3


async def test_requests_at_the_same_time_have_connections_of_their_own(triton: TritonDouble, pool: Pool) -> None:
    triton.waits.clear()
    asked = [asyncio.ensure_future(pool.ask(QUESTION)) for _ in range(MOST_IDLE + 6)]
    while len(triton.requests) < MOST_IDLE + 6:
        await asyncio.sleep(0.01)
    triton.waits.set()
    assert {one.status for one in await asyncio.gather(*asked)} == {200}
    assert len(pool._idle) == MOST_IDLE  # the burst's others are closed


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced(triton: TritonDouble, pool: Pool) -> None:
    triton.closes = True
    for _ in range(3):
        assert (await pool.ask(QUESTION)).status == 200
        await asyncio.sleep(0.02)  # the end of the connection has come
    assert triton.connections == 3


async def test_a_kept_connection_that_ends_with_the_question_is_asked_anew_once(
    triton: TritonDouble, pool: Pool
) -> None:
    await pool.ask(QUESTION)
    triton.answers = [b""]  # closes without an answer
    assert (await pool.ask(QUESTION)).status == 200
    assert (triton.connections, len(triton.requests)) == (2, 3)
    await pool.ask(QUESTION)
    triton.answers = [b"", b""]
    with pytest.raises(ConnectionLost, match="without an answer"):
        await pool.ask(QUESTION)


@pytest.mark.parametrize("kept", [False, True])
async def test_an_answer_that_has_begun_is_not_asked_for_again(triton: TritonDouble, pool: Pool, kept: bool) -> None:
    if kept:
        await pool.ask(QUESTION)
    triton.answers, triton.closes = [answer(200, b"whole")[:-2]], True
    before = len(triton.requests)
    with pytest.raises(ConnectionLost, match="within the answer"):
        await pool.ask(QUESTION)
    assert len(triton.requests) == before + 1


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n\r\n", answer(200, b"", "content-length: x")])
async def test_what_is_no_answer_ends_the_connection(triton: TritonDouble, pool: Pool, said: bytes) -> None:
    triton.answers = [said]
    with pytest.raises(ConnectionLost):
        await pool.ask(QUESTION)
    assert (await pool.ask(QUESTION)).status == 200
    assert triton.connections == 2


async def test_whoever_is_given_up_hangs_up_at_once(triton: TritonDouble, pool: Pool) -> None:
    triton.waits.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await pool.ask(QUESTION)
    while not triton.left:
        await asyncio.sleep(0.01)
    assert not pool._idle


async def test_what_comes_unasked_ends_the_connection(triton: TritonDouble, pool: Pool) -> None:
    triton.answers = [answer(200) + answer(500, b"somebody else's")]
    assert (await pool.ask(QUESTION)).status == 200
    await asyncio.sleep(0.02)
    assert (await pool.ask(QUESTION)).status == 200
    assert triton.connections == 2


async def test_a_request_that_is_answered_before_it_was_read_does_not_begin_the_next_one(
    triton: TritonDouble, pool: Pool
) -> None:
    """The rest of it would be taken for one."""
    triton.hasty, triton.usual = True, answer(413, b"too large")
    large = [b"POST /x HTTP/1.1\r\ncontent-length: 50000000\r\n\r\n", memoryview(bytes(50_000_000))]
    for _ in range(2):
        assert (await pool.ask(large)).status == 413
    assert not pool._idle
    assert [one.line for one in triton.requests] == ["POST /x HTTP/1.1"] * 2


async def test_nobody_listens(triton: TritonDouble, pool: Pool) -> None:
    async with triton_double() as gone:
        port = gone.port
    with pytest.raises(ConnectionRefusedError):
        await Pool("127.0.0.1", port).ask(QUESTION)
