"""When another process takes the place of one that died, and when all are ended; the processes are doubles that only beat."""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.unit.pytorch.served_family import IDLE, SOON_S, Served, family, wait

Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def run(*words: str, **settings: str) -> Served:
            return stack.enter_context(family(tmp_path, words, **settings))

        yield run


def idle(start: Start, *words: str, **settings: str) -> Served:
    served = start(f"--worker={IDLE}", f"--engine={IDLE}", *words, **settings)
    wait(lambda: beating(served) == 3)
    return served


def beating(served: Served) -> int:
    """Return how many have ever begun to beat."""
    return len(re.findall(r"row \d beats", served.log.read_text()))


def replaced(served: Served, *rows: int) -> None:
    """Kill these, and wait until their successors beat."""
    before, members = beating(served), served.members(IDLE)
    for row in rows:
        members[row].kill()
    wait(lambda: beating(served) == before + len(rows))


def test_fifty_deaths_cost_the_parent_no_descriptor_and_no_memory(start: Start) -> None:
    def held() -> tuple[int, int, int]:
        maps = Path(f"/proc/{served.process.pid}/maps").read_text(encoding="ascii")
        return parent.num_fds(), maps.count("bakeoff-"), len(parent.children())

    served = idle(start)
    parent = psutil.Process(served.process.pid)
    replaced(served, 0, 1, 2)
    before, resident = held(), parent.memory_info().rss
    for _ in range(17):
        replaced(served, 0, 1, 2)
    wait(lambda: held() == before)
    assert parent.memory_info().rss < resident + 4 * 2**20


def test_one_that_hangs_is_killed_alone_also_before_it_ever_beat(start: Start) -> None:
    served = idle(start, LOAD_TIMEOUT_S="8")
    served.fails.write_text("hang")
    served.members(IDLE)[2].suspend()
    wait(lambda: "engine 0 has hung for 3 s (HANG_TIMEOUT_S) and is killed" in served.log.read_text())
    wait(lambda: "engine 0 has not started within 8 s (LOAD_TIMEOUT_S) and is killed" in served.log.read_text(), 60)
    served.fails.unlink()
    wait(lambda: beating(served) == 4)
    assert served.process.poll() is None


def test_what_cannot_start_at_all_ends_the_whole_at_once(start: Start, tmp_path: Path) -> None:
    (tmp_path / "fails").touch()
    served = start(f"--worker={IDLE}", f"--engine={IDLE}")
    assert served.process.wait(SOON_S) == 1
    assert "the others are stopped, and supervisord starts all again" in served.log.read_text()


def test_successors_that_end_again_before_they_are_of_use_end_the_whole(start: Start) -> None:
    served = idle(start)
    members = served.members(IDLE)
    served.fails.touch()
    members[2].kill()
    assert served.process.wait(SOON_S) == 1
    _, alive = psutil.wait_procs(members, timeout=5)
    assert alive == []
    log = served.log.read_text()
    assert log.count("another one takes its place") == 2
    assert log.count("engine 0 ended with status 1; the others are stopped, and supervisord starts all again") == 1


def test_accidents_in_a_row_that_each_had_been_of_no_use_end_the_whole(start: Start) -> None:
    served = idle(start, "--useful-after=60")
    for _ in range(2):
        replaced(served, 0)
    served.members(IDLE)[0].kill()
    assert served.process.wait(SOON_S) == 1


@pytest.mark.parametrize("rows", [[0], [2], [0, 1, 2]], ids=["worker", "engine", "all"])
def test_a_stop_while_a_successor_starts_leaves_nothing(start: Start, rows: list[int]) -> None:
    served = idle(start)
    members = served.members(IDLE)
    for row in rows:
        members[row].kill()
    time.sleep(0.05)
    everybody = psutil.Process(served.process.pid).children(recursive=True)
    served.process.terminate()
    assert served.process.wait(10) == 0
    _, alive = psutil.wait_procs(everybody, timeout=5)
    assert alive == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", served.port))
