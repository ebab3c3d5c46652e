"""HEAD is answered as GET without the body, and a method that is not allowed with those that are."""

import httpx
import pytest
from fastapi import FastAPI

from server.http import errors
from server.http.head import Head


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    errors.install(app)
    app.add_middleware(Head)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/embed")
    async def embed() -> None:
        return None

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_head_has_the_status_and_headers_of_get(client: httpx.AsyncClient) -> None:
    head, get = await client.head("/health"), await client.get("/health")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers
    assert (await client.head("/nothing")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/health", "GET, HEAD"), ("GET", "/embed", "POST"), ("HEAD", "/embed", "POST")],
)
async def test_what_is_allowed_is_said(client: httpx.AsyncClient, method: str, path: str, allowed: str) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    if method != "HEAD":
        assert answer.json() == {"error": f"{path} does not take {method}; allowed: {allowed}"}
