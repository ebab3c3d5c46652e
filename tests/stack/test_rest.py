"""The plain REST routes of 8002, whichever backend answers them."""

import base64
import gzip
import json
from http.client import HTTPConnection

import httpx
import numpy as np
import pytest

from server.model.reference import Reference
from tests.stack.conftest import FRONTS
from tests.stack.stack import PRECISION, ROW_TOLERANCE, RunningStack


@pytest.fixture(scope="module", params=FRONTS)
def front(request: pytest.FixtureRequest) -> RunningStack:
    found: RunningStack = request.getfixturevalue(FRONTS[request.param])
    return found


@pytest.fixture(scope="module")
def rest(front: RunningStack):
    with httpx.Client(base_url=front.url(), timeout=60) as client:
        yield client


def close(embedding: list[float], expected: np.ndarray) -> bool:
    return bool(np.allclose(embedding, expected, atol=ROW_TOLERANCE))


def test_embed_takes_a_raw_body(rest: httpx.Client, reference: Reference) -> None:
    answer = rest.post("/embed", content=reference.files[0], headers={"Content-Type": "image/jpeg"}).json()
    assert close(answer["embedding"], reference.embeddings[0])
    assert answer["model_info"]["source"] == "random"
    assert answer["model_info"]["embeddings_meaningful"] is False


def test_embed_takes_one_form_file(rest: httpx.Client, reference: Reference) -> None:
    answer = rest.post("/embed", files={"files": reference.files[1]})
    assert close(answer.json()["embedding"], reference.embeddings[1])
    assert rest.post("/embed", files=[("files", b"a"), ("files", b"b")]).status_code == 400


def test_batch(rest: httpx.Client, reference: Reference) -> None:
    answer = rest.post("/embed/batch", files=[("files", file) for file in reference.files[:3]]).json()
    assert answer["count"] == len(answer["embeddings"]) == 3
    assert all(map(close, answer["embeddings"], reference.embeddings))


def test_base64_and_data_uri(rest: httpx.Client, reference: Reference) -> None:
    texts = [base64.b64encode(file).decode() for file in reference.files[:2]]
    answer = rest.post("/embed/base64", json={"images": [texts[0], f"data:image/jpeg;base64,{texts[1]}"]}).json()
    assert len(answer["embeddings"]) == 2
    assert all(map(close, answer["embeddings"], reference.embeddings))


@pytest.mark.parametrize("field", ["file", "image", "images", "files[]"])
def test_the_field_may_have_any_name(rest: httpx.Client, reference: Reference, field: str) -> None:
    assert close(rest.post("/embed", files={field: reference.files[0]}).json()["embedding"], reference.embeddings[0])
    several = rest.post("/embed/batch", files=[(field, file) for file in reference.files[:2]]).json()
    assert all(map(close, several["embeddings"], reference.embeddings))


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain; charset=utf-8"])
def test_json_is_read_whatever_its_content_type(rest: httpx.Client, reference: Reference, kind: str | None) -> None:
    lines = base64.encodebytes(reference.files[0]).decode()
    bare = base64.urlsafe_b64encode(reference.files[1]).decode().rstrip("=")
    body = json.dumps({"images": [lines, bare]}).encode()
    answer = rest.post("/embed/base64", content=body, headers={"Content-Type": kind} if kind else {})
    assert all(map(close, answer.json()["embeddings"], reference.embeddings))


def test_compressed_bodies_are_unpacked(rest: httpx.Client, reference: Reference) -> None:
    packed = {"content": gzip.compress(reference.files[0]), "headers": {"Content-Encoding": "gzip"}}
    assert close(rest.post("/embed", **packed).json()["embedding"], reference.embeddings[0])
    bomb = {"content": gzip.compress(bytes(300 * 2**20), 1), "headers": {"Content-Encoding": "gzip"}}
    answer = rest.post("/embed", **bomb)
    assert answer.status_code == 413
    assert "MAX_BODY_MB" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "request_", "status", "words"),
    [
        ("/embed", {"content": b""}, 400, "image[0]: empty"),
        ("/embed", {"content": b"text"}, 400, "image[0]: not a JPEG, PNG or WebP image"),
        ("/embed", {"json": {"images": []}}, 415, "application/json; expected the image file itself"),
        ("/embed", {"content": b"x", "headers": {"Content-Encoding": "br"}}, 415, "Content-Encoding 'br'"),
        ("/embed/batch", {"content": b"text"}, 415, "no Content-Type; expected multipart/form-data"),
        ("/embed/batch", {"json": {"images": []}}, 415, "/embed/base64 takes JSON"),
        ("/embed/batch", {"files": {"image": b"x", "mask": b"x"}}, 422, "files in the fields 'image', 'mask'"),
        ("/embed/batch", {"files": {"files": (None, b"x")}}, 422, "0 files in the form"),
        ("/embed/batch", {"files": [("files", b"x")] * 129}, 400, "1 to 128"),
        ("/embed/base64", {"json": {"images": []}}, 400, "0 images"),
        ("/embed/base64", {"json": {"images": ["%%%"]}}, 400, "images[0]: not base64"),
        ("/embed/base64", {"json": {}}, 422, "body: Object missing required field `images`"),
        ("/embed/base64", {"content": b"{"}, 422, "body: Input data was truncated"),
        ("/embed/base64", {"files": {"files": b"x"}}, 415, "multipart/form-data; expected application/json"),
        ("/nothing", {"content": b""}, 404, "Not Found"),
    ],
)
def test_bad_requests_are_answered_in_words(rest: httpx.Client, path: str, request_, status: int, words: str) -> None:
    answer = rest.post(path, **request_)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_a_body_over_the_limit_is_refused_before_it_is_sent(front: RunningStack) -> None:
    connection = HTTPConnection("127.0.0.1", front.ports["pytorch"], timeout=30)
    connection.putrequest("POST", "/embed")
    connection.putheader("Content-Length", str(2**40))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert b"MAX_BODY_MB" in answer.read()
    connection.close()


@pytest.mark.parametrize(
    "path",
    ["/health", "/healthz", "/ready", "/v2/health/live", "/v2/health/ready", "/v2/models/openclip_vit_b32/ready"],
)
def test_head_is_get_without_the_body(rest: httpx.Client, path: str) -> None:
    head, get = rest.head(path), rest.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["Content-Length"].isdigit()
    assert rest.head(path).status_code == get.status_code  # on the same connection


def test_a_method_that_is_not_taken_is_answered_with_those_that_are(rest: httpx.Client) -> None:
    answer = rest.get("/embed")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"
    assert answer.json()["error"] == "/embed does not take GET; allowed: POST"


def test_operations(rest: httpx.Client) -> None:
    assert rest.get("/health").json() == {"status": "alive"}
    assert rest.get("/healthz").status_code == 200
    assert rest.get("/gpu-info").json()["device"] == ("cpu" if PRECISION == "fp32" else "cuda")
    assert "bakeoff_requests_total" in rest.get("/metrics").text
    assert rest.get("/docs").status_code == 200
    assert rest.get("/openapi.json").json()["info"]["title"]
