"""Every worker sees what every other one holds, and writes what is its own."""

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ipc.connections import LONGEST_WAIT_S, ConnectionTable


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_a_connection_counts_for_the_worker_that_it_was_given_to(workers: int) -> None:
    table = ConnectionTable.create(workers)
    other = ConnectionTable(table.fileno())  # as another worker maps it
    assert other.open() == [0] * workers
    last = workers - 1
    for _ in range(3):
        table.keep(last)
    table.give(last, 0)
    table.give(0, last)
    table.give(0, last)
    other.close(last)
    expected = [0] * workers
    expected[last] += 3 + 2 - 1
    expected[0] += 1
    assert table.open() == other.open() == expected
    assert table.takers() == []


def test_those_that_take_connections_are_known_to_all() -> None:
    table = ConnectionTable.create(3)
    other = ConnectionTable(table.fileno())
    table.take(0, True)
    table.take(2, True)
    assert other.takers() == [0, 2]
    other.take(0, False)
    assert table.takers() == [2]
    assert table.open() == [0, 0, 0]


HOLDS_THE_TURN = """
import sys
from server.ipc.connections import ConnectionTable
with ConnectionTable(int(sys.argv[1])).turn():
    print(flush=True)
    sys.stdin.read()
"""


def test_one_worker_at_a_time_and_one_that_was_stopped_or_died_in_its_turn_stops_nobody() -> None:
    table = ConnectionTable.create(2)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_TURN, str(table.fileno())], cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[table.fileno()],
    ) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        before = time.monotonic()
        with table.turn():
            assert time.monotonic() - before >= LONGEST_WAIT_S
        with pytest.raises(BlockingIOError):
            fcntl.lockf(table.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        other.kill()
        other.wait()
        fcntl.lockf(table.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_table_says_in_proc_what_it_is() -> None:
    table = ConnectionTable.create(1)
    assert str(Path(f"/proc/self/fd/{table.fileno()}").readlink()) == "/memfd:bakeoff-connections (deleted)"


WORKERS = 3
EVENTS = st.lists(
    st.tuples(st.sampled_from(["keep", "give", "arrive", "close", "die"]), *[st.integers(0, WORKERS - 1)] * 2),
    max_size=60,
)


@given(EVENTS)
def test_whatever_dies_the_table_has_what_is_open_and_what_waits_for_a_successor(
    events: list[tuple[str, int, int]],
) -> None:
    table = ConnectionTable.create(WORKERS)
    served, waiting = [0] * WORKERS, [0] * WORKERS
    for row in range(WORKERS):
        table.take(row, True)
    for event, row, other in events:
        if event == "keep":
            table.keep(row)
            served[row] += 1
        elif event == "give":
            table.give(row, other)
            waiting[other] += 1
        elif event == "arrive" and waiting[row]:
            waiting[row], served[row] = waiting[row] - 1, served[row] + 1
        elif event == "close" and served[row]:
            table.close(row)
            served[row] -= 1
        elif event == "die":
            table.vacate(row, lambda row=row: waiting[row])  # type: ignore[misc]
            served[row] = 0
            assert row not in table.takers()
            table.take(row, True)
        assert table.open() == [a + b for a, b in zip(served, waiting, strict=True)]


def test_what_waits_is_counted_while_nobody_places_a_connection() -> None:
    table = ConnectionTable.create(2)
    asked: list[bool] = []

    def waiting() -> int:
        with subprocess.Popen(
            [sys.executable, "-c", TRIES_THE_LOCK, str(table.fileno())], pass_fds=[table.fileno()]
        ) as other:
            asked.append(other.wait() == 0)
        return 0

    table.vacate(0, waiting)
    assert asked == [False]


@pytest.mark.parametrize("workers", [1, 2, 8, 64])
def test_all_workers_learn_that_the_port_was_handed_over(workers: int) -> None:
    table = ConnectionTable.create(workers)
    other = ConnectionTable(table.fileno())
    assert not other.handed_over
    table.hand_over()
    assert other.handed_over
    assert other.open() == [0] * workers
    assert other.takers() == []


TRIES_THE_LOCK = """
import fcntl, sys
try:
    fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit(1)
"""
