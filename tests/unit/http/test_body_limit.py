"""The limit on bodies holds with and without a stated length."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import Body, FastAPI, Request

from server.http import errors
from server.http.body_limit import BodyLimit


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    errors.install(app)
    app.add_middleware(BodyLimit, limit=100)

    @app.post("/")
    async def size(request: Request) -> int:
        return len(await request.body())

    @app.post("/parsed")
    async def parsed(values: Annotated[list[int], Body()]) -> int:
        return len(values)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(10)


@pytest.mark.parametrize(("count", "status"), [(10, 200), (11, 413)])
async def test_a_body_in_pieces(client: httpx.AsyncClient, count: int, status: int) -> None:
    assert (await client.post("/", content=pieces(count))).status_code == status


async def test_a_body_that_the_framework_parses(client: httpx.AsyncClient) -> None:
    async def numbers() -> AsyncIterator[bytes]:
        yield b"[" + b"1," * 60 + b"1]"

    answer = await client.post("/parsed", content=numbers(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(("length", "status"), [(100, 200), (101, 413)])
async def test_a_body_of_stated_length(client: httpx.AsyncClient, length: int, status: int) -> None:
    answer = await client.post("/", content=bytes(length))
    assert answer.status_code == status
    if status == 413:
        assert "MAX_BODY_MB" in answer.json()["error"]
