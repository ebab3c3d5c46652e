"""Request ids, and errors by reason."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request

from server import logs
from server.http import errors
from server.http.errors import QueueFull
from server.http.metrics import Metrics
from server.http.observed import Observed, offer_id


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def client(metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    errors.install(app)
    app.add_middleware(Observed, metrics=metrics)

    @app.get("/full")
    async def full() -> None:
        raise QueueFull("as many wait as may wait")

    @app.get("/oip/{identifier}")
    async def oip(identifier: str, request: Request) -> str:
        offer_id(request.scope, identifier)
        return identifier

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


async def test_an_id_is_passed_through(client: httpx.AsyncClient) -> None:
    answer = await client.get("/oip/protocol", headers={"X-Request-Id": "mine"})
    assert answer.headers["X-Request-Id"] == "mine"


async def test_the_protocols_id_is_taken_where_there_is_no_header(client: httpx.AsyncClient) -> None:
    assert (await client.get("/oip/protocol")).headers["X-Request-Id"] == "protocol"


@pytest.mark.parametrize("given", ["", "two words", "x" * 129, "\u00e9"])
async def test_what_fits_no_header_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/full", headers={"X-Request-Id": given.encode("latin-1")})  # type: ignore[dict-item]
    assert len(answer.headers["X-Request-Id"]) == 32
    other = await client.get("/oip/two%20words")
    assert len(other.headers["X-Request-Id"]) == 32


async def test_errors_are_counted_by_reason(client: httpx.AsyncClient, metrics: Metrics) -> None:
    assert (await client.get("/full")).status_code == 503
    assert (await client.get("/nowhere")).status_code == 404
    text = metrics.render().decode()
    assert 'bakeoff_errors_total{reason="queue_full"} 1.0' in text
    assert 'bakeoff_errors_total{reason="not_found"} 1.0' in text


async def test_a_json_log_line_has_the_id_and_the_reason(
    client: httpx.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug", "json")
    try:
        await client.get("/full", headers={"X-Request-Id": "mine"})
        line = json.loads(capsys.readouterr().err.splitlines()[-1])
    finally:
        logs.configure("info")
    assert line["request_id"] == "mine"
    assert (line["method"], line["path"], line["status"], line["reason"]) == ("GET", "/full", 503, "queue_full")
    assert line["level"] == "DEBUG"
