"""What is far from too much is refused to nobody: the short form of `python -m tests.chaos.ordinary`, and idle connections."""

import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import descriptors
from server.model.reference import Reference
from tests.chaos.load import Backend
from tests.chaos.ordinary import NOT_ANSWERED, OTHER_PRECISION, after_a_pause, with_a_stall
from tests.stack.conftest import QUIET
from tests.stack.stack import PRECISION, RunningStack, same_model, start

SECONDS = 2.0
LOGIN_FILES = 1024
"""The soft limit on open files that most logins give."""

IDLE = 1100


@pytest.fixture(scope="module")
def alone(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    home = same_model(exported, tmp_path_factory.mktemp("alone"))
    running = start(home, 13_000, BACKENDS="pytorch", PRECISION=PRECISION, **QUIET)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (LOGIN_FILES, hard))
    try:
        running.wait(200)
        yield running
    finally:
        running.stop()


def test_1100_idle_clients_leave_the_server_ready_and_its_log_quiet(alone: RunningStack) -> None:
    descriptors.raise_limit()  # this process has as many
    lines = len(alone.log.read_text().splitlines())
    with contextlib.ExitStack() as idle:
        for _ in range(IDLE):
            idle.enter_context(socket.create_connection(("127.0.0.1", alone.ports["pytorch"]), timeout=20))
        assert [alone.ready()[0] for _ in range(5)] == [200] * 5
    assert len(alone.log.read_text().splitlines()) < lines + 20


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_64_clients_are_all_answered_after_a_pause_and_a_stall(
    alone: RunningStack, reference: Reference, workers: str
) -> None:
    """The second time in another precision, where the machine has one."""
    precision = OTHER_PRECISION if workers == "2" and OTHER_PRECISION else PRECISION
    alone.environment |= {"HTTP_WORKERS": workers, "PRECISION": precision}
    alone.restart()
    alone.wait(200)
    backend = Backend(alone, "pytorch", reference, pixels=False)
    for counts in (await after_a_pause(backend, SECONDS), await with_a_stall(alone, backend, SECONDS)):
        assert not NOT_ANSWERED & set(counts), counts
