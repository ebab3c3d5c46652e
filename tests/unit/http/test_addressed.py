"""While two programs have port 8002, a request that says which one it means is answered by no other."""

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from server.backend_addresses import PROGRAM_HEADER
from server.http.addressed import Addressed


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


async def ask(**headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(Addressed(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/health", headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def in_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPERVISOR_PROCESS_NAME", "gateway")


async def test_who_means_nobody_is_answered(in_a_stack: None) -> None:
    assert (await ask()).status_code == 200


async def test_who_means_this_program_is_answered(in_a_stack: None) -> None:
    assert (await ask(**{PROGRAM_HEADER: "gateway"})).status_code == 200


async def test_who_means_another_one_is_told_and_comes_on_a_new_connection(in_a_stack: None) -> None:
    answer = await ask(**{PROGRAM_HEADER: "pytorch"})
    assert answer.status_code == 421
    assert answer.headers["connection"] == "close"
    assert answer.json() == {"error": "this is gateway, and not 'pytorch'; ask again on a new connection"}


async def test_outside_of_a_stack_everybody_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPERVISOR_PROCESS_NAME", raising=False)
    assert (await ask(**{PROGRAM_HEADER: "pytorch"})).status_code == 200
