"""A process that hangs is silent; one that starts, waits or was frozen with its parent is not."""

import asyncio
import time

import pytest

from server.http.heartbeat import SILENT_AFTER_S, Heartbeat, Watch
from server.ipc.counters import Counters

WORKERS = 3
ROWS = WORKERS + 1
LOOKS = 4


@pytest.fixture
def counters() -> Counters:
    return Counters.create(ROWS, ("model",), 16)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds of the clock, which a test sets."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic_ns", lambda: int(now[0] * 1e9))
    return now


async def test_a_running_event_loop_beats(counters: Counters) -> None:
    Heartbeat(counters, 1, WORKERS).start()
    assert counters.last_beat(1)  # at once: what hangs before its first beat would be given connections for ever
    await asyncio.sleep(0.01)
    assert time.monotonic_ns() - counters.last_beat(1) < 1e9
    assert [counters.last_beat(row) for row in (0, 2, 3)] == [0, 0, 0]


def test_another_worker_sees_who_has_been_silent_for_too_long(counters: Counters, clock: list[float]) -> None:
    for row in (0, WORKERS):  # a worker and an engine; worker 2 has not begun
        counters.beat(row)
    heartbeat = Heartbeat(counters, 1, WORKERS)
    clock[0] += SILENT_AFTER_S - 0.1
    counters.beat(1)
    assert heartbeat.silent() == []
    clock[0] += 0.2
    assert heartbeat.silent() == [0]


def test_the_parent_counts_looks_without_a_beat(counters: Counters, clock: list[float]) -> None:
    watch = Watch(counters, ROWS, looks=LOOKS, starting=100)
    for look in range(3 * LOOKS):
        clock[0] += 1
        for row in (0, WORKERS):
            counters.beat(row)
        if look <= LOOKS:
            counters.beat(1)
        assert watch.silent() == ([1] if look >= 2 * LOOKS else [])


def test_one_that_beats_again_is_counted_anew(counters: Counters, clock: list[float]) -> None:
    watch = Watch(counters, ROWS, looks=LOOKS, starting=100)
    for _ in range(3):
        clock[0] += 1
        counters.beat(0)
        assert [watch.silent() for _ in range(LOOKS)] == [[]] * LOOKS


def test_after_a_freeze_of_the_whole_container_nobody_is_silent_at_once(counters: Counters, clock: list[float]) -> None:
    watch = Watch(counters, ROWS, looks=LOOKS, starting=100)
    counters.beat(0)
    assert watch.silent() == []
    clock[0] += 3600
    assert watch.silent() == []


def test_one_that_never_begins_to_beat_is_silent_in_the_end(counters: Counters, clock: list[float]) -> None:
    watch = Watch(counters, 2, looks=2, starting=5)
    counters.beat(1)
    for look in range(1, 8):
        clock[0] += 1
        counters.beat(1)
        assert watch.silent() == ([0] if look >= 5 else [])


def test_whoever_takes_the_place_of_a_dead_one_has_time_to_start(counters: Counters, clock: list[float]) -> None:
    watch = Watch(counters, 1, looks=2, starting=5)
    for _ in range(2):
        counters.beat(0)
        assert [watch.silent() for _ in range(3)] == [[], [], [0]]
        counters.forget(0)
        watch.forget(0)
        assert [watch.silent() for _ in range(4)] == [[]] * 4
        clock[0] += 1
