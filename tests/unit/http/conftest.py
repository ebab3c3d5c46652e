"""The event loop that the workers of port 8002 run on, with an end for tests that wait for ever."""

import asyncio
from collections.abc import Callable

from tests.unit.http.deadline import DeadlineLoop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give the tests uvicorn's choice; asyncio's own loop forgets a connection that it takes while the port is closed."""
    return {"uvloop": DeadlineLoop}
