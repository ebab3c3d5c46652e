"""What Triton's own answers become; its words are those of tritonserver 2.51."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.gateway.answers import NotServing, check_served, file_error, words
from server.gateway.connection import Answer
from server.http.errors import NotReady, QueueFull
from server.http.waiting import DeadlineExceeded
from server.images import ImageError


def said(status: int, text: str) -> Answer:
    return Answer(status, {}, json.dumps({"error": text}).encode())


@pytest.mark.parametrize(
    ("status", "text", "kind", "told"),
    [
        (503, "[request id: <id_unknown>] Exceeds maximum queue size", QueueFull, "MAX_QUEUE_REQUESTS"),
        (503, "Request timeout expired", DeadlineExceeded, "waited in Triton X"),
        (503, "Request for unknown model: 'm' version 1 is not at ready state", NotServing, "not at ready state"),
        (404, "Request for unknown model: 'm' is not found", NotServing, "cannot run the model now"),
        (500, "Stub process 'm_0_0' is not healthy.", NotServing, "is not healthy"),
    ],
)
def test_a_request_that_triton_has_not_taken(status: int, text: str, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        check_served(said(status, text), "Triton X")


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
def test_one_that_it_has_taken(status: int) -> None:
    check_served(said(status, "something"), "Triton X")


def test_a_full_queue_is_counted_as_one_and_is_no_reason_to_ask_another_triton() -> None:
    assert QueueFull.reason == "queue_full"
    assert not issubclass(QueueFull, NotServing)
    assert issubclass(NotServing, NotReady)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[request id: a b] unexpected", "unexpected"),
        ("in ensemble 'e', [request id: <id_unknown>] x", "x"),
        ("in ensemble 'e', in ensemble 'f', x", "x"),
        ("x in ensemble 'e', y", "x in ensemble 'e', y"),
    ],
)
def test_what_stands_in_front_is_left_out(text: str, left: str) -> None:
    assert words(said(400, text)) == left


@given(st.binary())
def test_any_body_has_words(body: bytes) -> None:
    assert words(Answer(500, {}, body)) or not body.strip()


def test_no_body_is_named_by_its_status() -> None:
    assert words(Answer(502, {}, b"")) == "status 502"


def test_a_file_is_named_as_the_caller_calls_it() -> None:
    answer = said(400, "in ensemble 'openclip_vit_b32_encoded', encoded_image[3]: empty\nline")
    error = file_error(answer, "image")
    assert isinstance(error, ImageError)
    assert str(error) == "image[3]: empty\nline"
    assert file_error(said(500, "encoded_image[3]: empty"), "image") is None
    assert file_error(said(400, "something else"), "image") is None
