"""JSON means the same whether it is read here or in a process of its own, and is refused at the first thing that is wrong."""

import base64
import json
import os
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request

from server.http import documents, errors
from server.http.documents import AT_ONCE, Documents, read_json
from server.oip.errors import InferenceError
from server.oip.spec import ENCODED_IMAGE, IMAGE, model_specs

PIXELS, ENCODED = model_specs(8)
FILES = [os.urandom(size) for size in (0, 1, 20_000)]


@pytest.fixture
async def read() -> AsyncIterator[Documents]:
    reading = Documents(8, 60)
    yield reading
    reading.close()


def padded(document: dict[str, object], length: int) -> bytes:
    return json.dumps(document).encode().ljust(length)


@pytest.mark.parametrize("length", [0, AT_ONCE + 1])
async def test_files_in_base64(read: Documents, length: int) -> None:
    texts = [base64.b64encode(file).decode() for file in FILES]
    body = padded({"model": "any", "images": [texts[0], f"data:image/png;base64,{texts[1]}", texts[2]]}, length)
    assert await read.base64_files(body) == FILES


@pytest.mark.parametrize("length", [0, AT_ONCE + 1])
async def test_inference_requests(read: Documents, length: int) -> None:
    tensor = {"name": ENCODED_IMAGE, "datatype": "BYTES", "shape": [2, 1], "data": ["one", "zwei ü"]}
    outputs = [{"name": "embedding", "parameters": {"binary_data": True}}]
    body = padded({"id": "7", "inputs": [tensor], "outputs": outputs, "parameters": {"a": 2**70, "b": "x"}}, length)
    found = await read.infer_request(body, ENCODED)
    assert found.inputs == {ENCODED_IMAGE: [b"one", "zwei ü".encode()]}
    assert (found.id, found.batch_size, found.parameters) == ("7", 2, {"a": 2**70, "b": "x"})
    assert [(output.name, output.binary) for output in found.outputs] == [("embedding", True)]


async def test_numbers(read: Documents) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 3, 224, 224), np.uint8)
    tensor = {"name": IMAGE, "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.tolist()}
    found = await read.infer_request(json.dumps({"inputs": [tensor]}).encode(), PIXELS)
    np.testing.assert_array_equal(found.inputs[IMAGE], pixels)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"images":[' + b"1," * 8_900_000 + b"1]}", "8900000 items in the request"),
        (b'{"images":[' + b"1," * 9_000 + b"1]}", r"Expected `str`, got `int` - at `\$.images\[0\]`"),
        (b'{"images":["' + b'","' * 9_000 + b'"]}', r"9001 images in the request; expected 1 to 8"),
        (b'{"x":' + b"[" * 9_000 + b"]" * 9_000 + b"}", "recursion"),
        (b'{"x":[' + b"[]," * 1_000_000 + b"[]]}", "1000000 items in the request"),
        (b'{"images":["a", "', "Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
    ],
    ids=["17 MiB of numbers", "numbers", "texts", "deep", "arrays", "cut", "array"],
)
@pytest.mark.parametrize("length", [0, AT_ONCE + 1])
async def test_what_is_not_a_list_of_texts(read: Documents, body: bytes, words: str, length: int) -> None:
    with pytest.raises(InferenceError, match=words) as caught:
        await read.base64_files(body.ljust(length))
    assert caught.value.status in (400, 422)
    assert len(str(caught.value)) < 200


async def test_an_inference_request_of_nothing_is_refused_with_what_it_has(read: Documents) -> None:
    body = b'{"inputs":[{"name":"image","data":[' + b"[]," * 1_000_000 + b"[]]}]}"
    with pytest.raises(InferenceError, match="1000005 arrays and objects, more than the largest request to") as caught:
        await read.infer_request(body, PIXELS)
    assert caught.value.status == 400


async def test_json_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "CPU_S", 0.05)
    reading = Documents(128, 60)
    pixels = b'{"inputs":[{"name":"image","data":[' + b"1," * 9_000_000 + b"1]}]}"
    with pytest.raises(InferenceError, match=r"JSON takes more than 0\.05 s of processor time"):
        await reading.infer_request(pixels, model_specs(128)[0])
    reading.close()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("length", [0, 2**20, 2**20 + 1])
async def test_json_has_a_limit_of_its_own(length: int, chunked: bool) -> None:
    app = FastAPI()
    errors.install(app)

    @app.post("/")
    async def told(request: Request) -> int:
        return len(await read_json(request, 1))

    async def pieces() -> AsyncIterator[bytes]:
        for begin in range(0, length, 100_000):
            yield bytes(min(100_000, length - begin))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.post("/", content=pieces() if chunked else bytes(length))
    if length <= 2**20:
        assert answer.json() == length
    else:
        assert answer.status_code == 413
        assert answer.json()["error"].startswith("the request's JSON is larger than 1 MiB (MAX_JSON_MB); send files")
