"""Port 8002 lets in whoever has a key, and nobody else: a stranger's request reaches nothing behind the door."""

import asyncio

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from server.http import access
from server.http.access import LIVENESS, Access
from tests.strangers import strangers

KEYS = ("first-key", "second-key")


class Behind:
    """What the door protects; notes what came through."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def client(behind: Behind) -> httpx.AsyncClient:
    door = Access(behind, lambda: KEYS, (*LIVENESS, "/open"))
    return httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://test")


@pytest.mark.parametrize("headers", strangers(KEYS).values(), ids=strangers(KEYS))
async def test_a_stranger_is_answered_401_before_the_body_is_read(
    client: httpx.AsyncClient, behind: Behind, headers: dict[str, str]
) -> None:
    read: list[bytes] = []

    async def body():
        read.append(b"x")
        yield b"x"

    answer = await client.post("/embed", content=body(), headers=headers)
    assert answer.status_code == 401
    assert (answer.headers["WWW-Authenticate"], answer.headers["Connection"]) == ("Bearer", "close")
    assert not [key for key in KEYS if key in answer.text]
    assert (behind.paths, read) == ([], [])


async def test_strangers_are_told_of_by_rate(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == access.log.name]

    monkeypatch.setattr(access, "TELL_EVERY_S", 0.2)
    for _ in range(50):
        await client.post("/embed")
    await client.get("/ready")
    assert told() == []
    await asyncio.sleep(0.4)
    (words,) = told()
    assert words.startswith("51 requests without a key or with a wrong one (401) in 0.2 s; the last from 127")
    assert words.endswith(": GET /ready")
    await client.get("/ready")
    await asyncio.sleep(0.4)
    assert told()[1].startswith("1 requests")


@pytest.mark.parametrize("key", KEYS)
async def test_each_key_opens(client: httpx.AsyncClient, behind: Behind, key: str) -> None:
    assert (await client.post("/embed", headers={"Authorization": f"Bearer {key}"})).status_code == 200
    assert behind.paths == ["/embed"]


@pytest.mark.parametrize("path", [*LIVENESS, "/open"])
async def test_an_open_path_is_for_everybody_and_what_only_begins_like_it_is_not(
    client: httpx.AsyncClient, behind: Behind, path: str
) -> None:
    assert (await client.get(path)).status_code == 200
    for near in (f"{path}/", f"{path}x", f"{path}/more", f"/more{path}", path[:-2], path.upper()):
        assert (await client.get(near)).status_code == 401
    assert behind.paths == [path]
