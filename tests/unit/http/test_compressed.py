"""Compressed bodies are unpacked, within the limit, and refused by name when they cannot be."""

import gzip
import zlib
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given, settings
from hypothesis import strategies as st

from server.http import errors
from server.http.compressed import STEP, Compressed

LIMIT = 3 * STEP
DATA = bytes(range(256)) * (STEP // 256 * 2)


def client() -> httpx.AsyncClient:
    app = FastAPI()
    errors.install(app)
    app.add_middleware(Compressed, limit=LIMIT)

    @app.post("/")
    async def told(request: Request) -> dict[str, object]:
        body = await request.body()
        return {"length": len(body), "sum": zlib.crc32(body), "headers": sorted(request.headers)}

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def ask(body: bytes | AsyncIterator[bytes], encoding: str) -> httpx.Response:
    async with client() as one:
        return await one.post("/", content=body, headers={"Content-Encoding": encoding})


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
    ],
)
async def test_a_compressed_body_is_unpacked(encoding: str, pack) -> None:
    found = (await ask(pack(DATA), encoding)).json()
    assert (found["length"], found["sum"]) == (len(DATA), zlib.crc32(DATA))
    assert encoding == "identity" or {"content-encoding", "content-length"}.isdisjoint(found["headers"])


@settings(deadline=None, max_examples=60)
@given(
    size=st.sampled_from([0, 1, STEP - 1, STEP, STEP + 1, 2 * STEP]),
    piece=st.integers(1, 4000),
    level=st.integers(0, 9),
)
async def test_it_may_come_in_any_pieces(size: int, piece: int, level: int) -> None:
    packed = gzip.compress(DATA[:size], level)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(packed), max(piece, len(packed) // 200)):
            yield packed[start : start + max(piece, len(packed) // 200)]

    found = (await ask(pieces(), "gzip")).json()
    assert (found["length"], found["sum"]) == (size, zlib.crc32(DATA[:size]))


async def test_what_unpacks_to_more_than_the_limit_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(200 * LIMIT))
    assert len(bomb) < LIMIT
    answer = await ask(bomb, "gzip")
    assert answer.status_code == 413
    assert "MAX_BODY_MB" in answer.json()["error"]
    assert (await ask(gzip.compress(bytes(LIMIT)), "gzip")).status_code == 200
    assert (await ask(gzip.compress(bytes(LIMIT + 1)), "gzip")).status_code == 413


@pytest.mark.parametrize(
    ("body", "encoding", "status", "words"),
    [
        (b"hello", "br", 415, "Content-Encoding 'br' is not known; send gzip, deflate or the body as it is"),
        (b"hello", "gzip, br", 415, "'gzip, br'"),
        (b"hello", "gzip", 400, "the body is not gzip, as Content-Encoding says"),
        (gzip.compress(DATA)[:-4], "gzip", 400, "cut off"),
        (gzip.compress(DATA) + b"more", "gzip", 400, "behind the end of the gzip body"),
        (b"", "gzip", 400, "cut off"),
    ],
    ids=["brotli", "two", "plain", "cut", "more", "empty"],
)
async def test_what_cannot_be_unpacked_is_said(body: bytes, encoding: str, status: int, words: str) -> None:
    answer = await ask(body, encoding)
    assert answer.status_code == status
    assert words in answer.json()["error"]
