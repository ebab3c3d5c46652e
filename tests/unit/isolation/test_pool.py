"""What strangers sent is worked on in processes that end and are replaced alone; nobody else's work fails with them."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from server.isolation import Costly, Crashed, Pool, Refusal

WORK = "tests.doubles.isolated_work"
MakePool = Callable[..., Pool]


@pytest.fixture
def make() -> Iterator[MakePool]:
    made: list[Pool] = []

    def pool(count: int = 1, *, cpu_s: float = 0.3, wall_s: float = 60) -> Pool:
        made.append(Pool(WORK, count, cpu_s=cpu_s, wall_s=wall_s, greeting="hello "))
        return made[-1]

    yield pool
    pids = [pid for one in made for pid in one.pids]
    for one in made:
        one.close()
    assert not any(map(psutil.pid_exists, pids))


def ask(pool: Pool, task: str, data: bytes = b"") -> bytes:
    return bytes(pool.submit(task, data).result(60))


@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000])
def test_data_go_there_and_back(make: MakePool, size: int) -> None:
    pool = make()
    data = os.urandom(size)
    assert [ask(pool, "echo", data) for _ in range(2)] == [b"hello " + data] * 2
    assert ask(pool, "echo", memoryview(b"xya")[2:]) == b"hello a"


def test_what_costs_too_much_is_ended_and_what_waits_behind_it_is_served(make: MakePool) -> None:
    pool = make()
    before = ask(pool, "pid")
    costly, after = pool.submit("spin", b""), pool.submit("pid", b"")
    with pytest.raises(Costly, match=r"takes more than 0\.3 s of processor time"):
        costly.result(60)
    assert bytes(after.result(60)) != before


def test_only_processor_time_of_the_task_counts(make: MakePool) -> None:
    pool = make(cpu_s=0.2)
    for _ in range(300):  # starting the process, and all of these together, take longer
        ask(pool, "echo", b"x" * 300_000)
    assert len(pool.pids) == 1


def test_a_process_that_hangs_is_ended(make: MakePool) -> None:
    pool = make(wall_s=0.5)
    with pytest.raises(Costly, match=r"takes more than 0\.5 s"):
        ask(pool, "sleep")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_who_asks_a_process_that_was_ended_from_outside_does_not_notice(make: MakePool, number: int) -> None:
    pool = make()
    before = int(ask(pool, "pid"))
    os.kill(before, number)
    assert int(ask(pool, "pid")) != before


def test_data_whose_process_is_ended_again_and_again_are_given_up(make: MakePool) -> None:
    pool = make(cpu_s=60)
    waiting = pool.submit("spin", b"")
    ended: set[int] = set()
    while not waiting.done():
        for pid in set(pool.pids) - ended:
            os.kill(pid, signal.SIGKILL)
            ended.add(pid)
        time.sleep(0.01)
    assert len(ended) == 2
    with pytest.raises(Crashed, match="ended with status -9"):
        waiting.result()
    assert ask(pool, "echo") == b"hello "


def test_data_that_crash_a_process_crash_nothing_else(make: MakePool) -> None:
    pool = make()
    with pytest.raises(Crashed, match="ended with status -11"):
        ask(pool, "crash")
    assert ask(pool, "echo") == b"hello "


def test_a_process_that_announces_more_than_it_wrote_is_replaced(make: MakePool) -> None:
    pool = make()
    with pytest.raises(Crashed, match="1 bytes were announced and 0 are there"):
        ask(pool, "overstate")
    assert ask(pool, "echo") == b"hello "


def test_refusals_and_failures_are_told_by_a_process_that_lives_on(make: MakePool) -> None:
    pool = make()
    pid = ask(pool, "pid")
    with pytest.raises(Refusal, match="not this"):
        ask(pool, "refuse")
    with pytest.raises(Crashed, match="broken"):
        ask(pool, "fail")
    assert ask(pool, "pid") == pid


def test_several_work_at_once_and_processes_start_when_they_are_needed(make: MakePool) -> None:
    pool = make(2, cpu_s=1)
    assert pool.pids == []
    ask(pool, "echo")
    ask(pool, "echo")
    assert len(pool.pids) == 1
    costly = pool.submit("spin", b"")
    assert ask(pool, "echo") == b"hello "
    assert not costly.done()
    with pytest.raises(Costly):
        costly.result(60)


def test_what_is_cancelled_in_time_is_never_begun(make: MakePool) -> None:
    pool = make()
    costly, never = pool.submit("spin", b""), pool.submit("spin", b"")
    assert never.cancel()
    with pytest.raises(Costly):
        costly.result(60)
    assert ask(pool, "echo") == b"hello "


def test_the_end_waits_for_nothing(make: MakePool) -> None:
    pool = make(cpu_s=600)
    ask(pool, "echo")
    begun, waiting = pool.submit("spin", b""), pool.submit("echo", b"")
    while not begun.running():
        time.sleep(0.01)
    pool.close()
    with pytest.raises(Crashed):
        begun.result(0)
    assert waiting.cancelled()
