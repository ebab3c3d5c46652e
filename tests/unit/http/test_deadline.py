"""A test that waits for ever fails, and says where it waits."""

import asyncio

import pytest

from tests.unit.http.deadline import DeadlineLoop


class HastyLoop(DeadlineLoop):
    deadline_s = 0.05


async def waits_for_long() -> None:
    await asyncio.sleep(20)


def test_what_waits_for_too_long_is_given_up_with_the_place_where_it_waits() -> None:
    place = r"(?s)not done within 0\.05 s; it waits here:.*in waits_for_long"
    with asyncio.Runner(loop_factory=HastyLoop) as runner, pytest.raises(pytest.fail.Exception, match=place):
        runner.run(waits_for_long())


def test_an_error_is_not_taken_for_a_wait() -> None:
    async def fails() -> None:
        raise RuntimeError("its own")

    with asyncio.Runner(loop_factory=HastyLoop) as runner, pytest.raises(RuntimeError, match="its own"):
        runner.run(fails())


async def test_the_async_tests_here_have_a_deadline_before_the_one_that_does_not_fire(
    pytestconfig: pytest.Config,
) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, DeadlineLoop)
    assert loop.deadline_s < float(pytestconfig.getini("timeout"))
