"""The event loop that the console runs on."""

from tests.unit.http.conftest import pytest_asyncio_loop_factories as pytest_asyncio_loop_factories
