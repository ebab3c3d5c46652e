"""The event loop of the workers of port 8002, and an engine."""

from collections.abc import Iterator

import pytest

from tests.unit.http.conftest import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories
from tests.unit.pytorch.rig import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.end()
