"""The event loop that the workers of port 8002 run on, with an end for tests that wait for ever; and an engine."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.unit.pytorch.deadline import DeadlineLoop
from tests.unit.pytorch.rig import Rig


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give the tests uvicorn's choice; asyncio's own loop forgets a connection that it takes while the port is closed."""
    return {"uvloop": DeadlineLoop}


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.end()
