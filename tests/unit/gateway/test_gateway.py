"""The routes of 8002 in front of a double of a Triton: what passes, what is refused before, and what Triton refuses in other words."""

import asyncio
import base64
import json
import time

import pytest

from server.readiness import write_document
from server.state import READINESS
from tests.doubles.triton import TritonDouble, answer, embeddings, refusal, triton_double
from tests.unit.gateway.conftest import ARENA_BYTES, Gateway, Make

PIXELS, FILES = "/v2/models/openclip_vit_b32/infer", "/v2/models/openclip_vit_b32_encoded/infer"
IMAGE = bytes(3 * 224 * 224)


def binary(document: object, data: bytes = b"") -> dict[str, object]:
    head = json.dumps(document).encode()
    return {"content": head + data, "headers": {"Inference-Header-Content-Length": str(len(head))}}


def pixels(count: int = 1, data: bytes | None = None, **more: object) -> dict[str, object]:
    data = IMAGE * count if data is None else data
    tensor = {"name": "image", "datatype": "UINT8", "shape": [count, 3, 224, 224]}
    return binary({"inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}], **more}, data)


async def test_a_request_and_its_answer_pass_as_they_are(gateway: Gateway, triton: TritonDouble) -> None:
    triton.usual = embeddings(1, "me")
    sent = pixels(id="me")
    found = await gateway.client.post(PIXELS, **sent)
    assert found.status_code == 200
    assert found.content == triton.usual.partition(b"\r\n\r\n")[2]
    assert found.headers["Content-Type"] == "application/octet-stream"
    assert found.headers["Inference-Header-Content-Length"] in triton.usual.decode("latin-1")
    assert found.headers["X-Request-ID"] == "me"
    (request,) = triton.requests
    assert request.body == sent["content"]
    assert request.line == f"POST {PIXELS} HTTP/1.1"
    assert set(request.headers) == {"host", "content-length", "inference-header-content-length"}


async def test_what_is_given_as_an_id_need_not_be_one(gateway: Gateway, triton: TritonDouble) -> None:
    triton.usual = answer(200, b'{"id":"a\\u0000\\nb","outputs":[]}', "content-type: application/json")
    found = await gateway.client.post(PIXELS, json={"inputs": []})
    assert found.status_code == 200
    assert len(found.headers["X-Request-ID"]) == 32


async def test_the_tritons_key_is_sent_and_not_the_clients(make: Make, triton: TritonDouble) -> None:
    gateway = make(triton.port, api_key=("first", "second"))
    assert (await gateway.client.post(PIXELS, **pixels())).status_code == 401
    assert not triton.requests
    sent = pixels()
    sent["headers"] |= {"Authorization": "Bearer second"}  # type: ignore[operator]
    assert (await gateway.client.post(PIXELS, **sent)).status_code == 200
    assert triton.requests[0].headers["authorization"] == "Bearer first"


@pytest.mark.parametrize(
    ("path", "sent", "status", "told"),
    [
        ("/v2/models/nothing/infer", pixels(), 404, "unknown model 'nothing'; this server has openclip_vit_b32, "),
        ("/v2/models/openclip_vit_b32/versions/2/infer", pixels(), 404, "unknown version '2'"),
        (PIXELS, {"content": b""}, 400, "the request's body is empty"),
        (PIXELS, {"content": b"{}", "headers": {"Inference-Header-Content-Length": "3"}}, 400, "in range (0, 2), got 3"),
        (PIXELS, {"content": b"[" * 200_000}, 400, "200000 arrays and objects, more than the largest request"),
        (PIXELS, {"content": b"[" * 9_000}, 400, "nested too deeply"),
        (PIXELS, {"content": b"[" * 9_000, "headers": {"Inference-Header-Content-Length": "9000"}}, 400, "too deeply"),
        (PIXELS, {"content": b'{"a":[' + b"[]," * 1_000_000}, 400, "more than the largest request"),
        (PIXELS, binary({"inputs": "x" * 40_000}), 413, "32768 bytes that may stand before binary tensors"),
        (PIXELS, {"content": b" " * (33 * 2**20)}, 413, "MAX_JSON_MB"),
        (PIXELS, {"content": b"x", "headers": {"Content-Encoding": "br"}}, 415, "Content-Encoding 'br'"),
    ],
)  # fmt: skip
async def test_what_no_triton_is_to_see(
    gateway: Gateway, triton: TritonDouble, path: str, sent: dict[str, object], status: int, told: str
) -> None:
    found = await gateway.client.post(path, **sent)
    assert found.status_code == status
    assert told in found.json()["error"]
    assert not triton.requests


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (pixels(1, b"short"), "input byte size mismatch for input 'image' for model 'openclip_vit_b32'"),
        ({"content": b"{"}, "failed to parse the request JSON: Expecting property name"),
        ({"json": {"inputs": []}}, "expected 1 inputs but got 0"),
        (pixels(outputs=[{"name": "logits"}]), "unexpected inference output 'logits'"),
        (pixels(129), "batch-size must be >= 1 and <= 128"),
    ],
)
async def test_what_triton_refuses_is_told_in_the_words_of_8002(
    gateway: Gateway, triton: TritonDouble, status: int, sent: dict[str, object], told: str
) -> None:
    triton.usual = refusal(status, "[request id: <id_unknown>] words of its own")
    found = await gateway.client.post(PIXELS, **sent)
    assert found.status_code == 400
    assert told in found.json()["error"]


async def test_what_is_only_known_to_triton_is_told_in_its_words(gateway: Gateway, triton: TritonDouble) -> None:
    triton.usual = refusal(400, "[request id: me] no such region")
    found = await gateway.client.post(PIXELS, **pixels(id="me"))
    assert (found.status_code, found.json()) == (400, {"error": "no such region"})
    assert found.headers["X-Request-ID"] == "me"


async def test_a_failure_is_logged_and_not_told(
    gateway: Gateway, triton: TritonDouble, caplog: pytest.LogCaptureFixture
) -> None:
    triton.usual = refusal(500, "Traceback of /opt/secret")
    found = await gateway.client.post(PIXELS, **pixels())
    assert (found.status_code, found.json()) == (500, {"error": "internal error; the server's log has the details"})
    assert "Traceback of /opt/secret" in caplog.text


@pytest.mark.parametrize(
    ("said", "status", "told", "reason"),
    [
        (refusal(503, "Exceeds maximum queue size"), 503, "too many requests wait in Triton, ONNX", "queue_full"),
        (refusal(503, "'m' version 1 is not at ready state"), 503, "cannot run the model now", "not_ready"),
        (refusal(404, "Request for unknown model: 'm' is not found"), 503, "cannot run the model now", "not_ready"),
        (refusal(503, "Request timeout expired"), 504, "waited in Triton, ONNX Runtime", "timeout"),
        (b"", 503, "does not answer (the connection ended without an answer)", "not_ready"),
    ],
)
@pytest.mark.parametrize("route", ["v2", "rest"])
async def test_a_triton_that_does_not_serve(
    gateway: Gateway, triton: TritonDouble, said: bytes, status: int, told: str, reason: str, route: str
) -> None:
    triton.usual = said
    asked = gateway.client.post(PIXELS, **pixels()) if route == "v2" else gateway.client.post("/embed", content=b"x")
    found = await asked
    assert found.status_code == status
    assert told in found.json()["error"]
    assert ("Retry-After" in found.headers) == (status == 503)
    assert f'bakeoff_errors_total{{reason="{reason}"}} 1.0' in (await gateway.client.get("/metrics")).text


async def test_no_triton_at_all(make: Make) -> None:
    async with triton_double() as gone:
        gateway = make(gone.port)
    for path in ("/v2/health/ready", "/v2/models/openclip_vit_b32/ready"):
        assert (await gateway.client.get(path)).status_code == 503
    for path in ("/v2/models/openclip_vit_b32", "/v2/models/stats", "/v2/models/openclip_vit_b32/config"):
        found = await gateway.client.get(path)
        assert found.status_code == 503
        assert "Triton, ONNX Runtime does not answer" in found.json()["error"]
    for path in ("/health", "/v2/health/live", "/v2", "/model-info"):
        assert (await gateway.client.get(path)).status_code == 200


async def test_a_triton_that_is_too_slow_is_given_up(make: Make, triton: TritonDouble) -> None:
    gateway = make(triton.port, request_timeout_s=0.2)
    triton.waits.clear()
    for asked in (gateway.client.post(PIXELS, **pixels()), gateway.client.get("/v2/models/stats")):
        found = await asked
        assert found.status_code == 504
        assert "no answer within 0.2 s (REQUEST_TIMEOUT_S)" in found.json()["error"]
    await _until(lambda: triton.left == 2)


async def test_a_client_that_leaves_takes_its_request_along(gateway: Gateway, triton: TritonDouble) -> None:
    triton.waits.clear()
    asked = asyncio.ensure_future(gateway.client.post(PIXELS, **pixels(3)))
    await _until(lambda: triton.requests)
    assert gateway.counters.outstanding == 3
    asked.cancel()
    await _until(lambda: triton.left)
    assert gateway.counters.outstanding == 0


async def _until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_as_many_images_wait_as_may(make: Make, triton: TritonDouble) -> None:
    gateway = make(triton.port, max_queue_images=4)
    triton.waits.clear()
    first = asyncio.ensure_future(gateway.client.post(PIXELS, **pixels(3)))
    await _until(lambda: triton.requests)
    refused = await gateway.client.post(PIXELS, **pixels(2))
    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert refused.json()["error"] == "3 images are waiting already, and 4 may (MAX_QUEUE_IMAGES); try again"
    second = asyncio.ensure_future(gateway.client.post(PIXELS, **pixels(1)))
    await _until(lambda: len(triton.requests) == 2)
    triton.waits.set()
    assert [one.status_code for one in await asyncio.gather(first, second)] == [200, 200]


async def test_bodies_wait_in_memory_of_one_size(make: Make, triton: TritonDouble) -> None:
    gateway = make(triton.port)
    triton.waits.clear()
    images = ARENA_BYTES // 4 // len(IMAGE)
    asked = [asyncio.ensure_future(gateway.client.post(PIXELS, **pixels(images))) for _ in range(4)]
    await _until(lambda: len(triton.requests) == 4)
    refused = await gateway.client.post(PIXELS, **pixels(images))
    assert refused.status_code == 503
    assert refused.json()["error"] == "too many large requests are waiting already; try again"
    triton.waits.set()
    assert {one.status_code for one in await asyncio.gather(*asked)} == {200}
    assert (await gateway.client.post(PIXELS, **pixels(images))).status_code == 200


async def test_files_become_one_request(gateway: Gateway, triton: TritonDouble) -> None:
    triton.usual = embeddings(2, value=0.25)
    texts = [base64.b64encode(file).decode() for file in (b"one", b"other")]
    for asked in (
        gateway.client.post("/embed/batch", files=[("files", b"one"), ("files", b"other")]),
        gateway.client.post("/embed/base64", json={"images": texts}),
    ):
        found = (await asked).json()
        assert found["embeddings"] == [[0.25] * 512] * 2
        assert found["count"] == 2
        assert found["model_info"]["decode"] == "cpu"
    for request in triton.requests:
        assert request.line == f"POST {FILES} HTTP/1.1"
        length = int(request.headers["inference-header-content-length"])
        assert json.loads(request.body[:length])["inputs"][0]["shape"] == [2, 1]
        assert request.body[length:] == b"\x03\0\0\0one\x05\0\0\0other"
    text = (await gateway.client.get("/metrics")).text
    assert 'bakeoff_images_total{model="openclip_vit_b32_encoded"} 4.0' in text
    assert 'bakeoff_requests_total{model="openclip_vit_b32_encoded",outcome="success"} 2.0' in text


async def test_a_file_that_triton_refuses_is_named_as_rest_names_it(gateway: Gateway, triton: TritonDouble) -> None:
    triton.usual = refusal(400, "in ensemble 'openclip_vit_b32_encoded', encoded_image[0]: empty")
    found = await gateway.client.post("/embed", content=b"")
    assert (found.status_code, found.json()) == (400, {"error": "image[0]: empty"})
    assert 'bakeoff_errors_total{reason="image"} 1.0' in (await gateway.client.get("/metrics")).text


@pytest.mark.parametrize("said", [embeddings(3), answer(200, b"{}")])
async def test_embeddings_of_other_images_reach_nobody(gateway: Gateway, triton: TritonDouble, said: bytes) -> None:
    triton.usual = said
    found = await gateway.client.post("/embed/batch", files=[("files", b"one"), ("files", b"other")])
    assert found.status_code == 500


async def test_documents_are_tritons(gateway: Gateway, triton: TritonDouble) -> None:
    triton.usual = answer(200, b'{"platform":"onnxruntime_onnx"}')
    for path in ("", "/config", "/stats"):
        found = await gateway.client.get(f"/v2/models/openclip_vit_b32/versions/1{path}")
        assert found.json() == {"platform": "onnxruntime_onnx"}
    await gateway.client.get("/v2/models/stats")
    assert [one.line.split()[1] for one in triton.requests] == [
        *(f"/v2/models/openclip_vit_b32{path}" for path in ("", "/config", "/stats")), "/v2/models/stats",
    ]  # fmt: skip


def say_ready(home, **states: str) -> None:
    backends = {name: {"state": state} for name, state in states.items()}
    write_document(READINESS.at(home), {"ready": True, "backends": backends})


async def test_of_two_tritons_the_first_that_is_ready_is_asked(
    make: Make, triton: TritonDouble, other: TritonDouble
) -> None:
    gateway = make(triton.port, other.port)
    tritons = gateway.app.state.context.models._tritons  # type: ignore[attr-defined]
    for onnx, tensorrt, asked in [
        ("ready", "ready", triton),
        ("loading", "ready", other),
        ("failed", "failed", triton),
    ]:
        say_ready(gateway.home, onnx=onnx, tensorrt=tensorrt)
        tritons._look(tritons._ready())
        before = len(asked.requests)
        assert (await gateway.client.post(PIXELS, **pixels())).status_code == 200
        assert len(asked.requests) == before + 1


async def test_a_triton_that_drains_before_the_document_says_so_is_passed_over(
    make: Make, triton: TritonDouble, other: TritonDouble
) -> None:
    gateway = make(triton.port, other.port)
    for said in (refusal(404, "Request for unknown model: 'm' is not found"), b""):
        triton.usual = said
        assert (await gateway.client.post(PIXELS, **pixels())).status_code == 200
    triton.usual = refusal(503, "Exceeds maximum queue size")
    assert (await gateway.client.post(PIXELS, **pixels())).status_code == 503
    assert len(other.requests) == 2
