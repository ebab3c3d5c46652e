"""What the HTTP header `Inference-Header-Content-Length` may be, as it came."""

import pytest

from server.oip.errors import InferenceError
from server.oip.header import parse_header_length, parse_json_object


@pytest.mark.parametrize(("value", "length"), [(None, 9), (0, 0), (9, 9), ("7", 7), (" 7\t", 7), ("007", 7)])
def test_a_number_of_bytes_up_to_the_body_s(value: int | str | None, length: int) -> None:
    assert parse_header_length(value, 9) == length


@pytest.mark.parametrize("value", ["7\n", "\x0b7", "X7X", "+7", "1_0", "\u0667", "", 10, -1, True, 7.0, "9" * 19])
def test_anything_else_is_refused_and_shown(value: object) -> None:
    with pytest.raises(InferenceError) as caught:
        parse_header_length(value, 9)  # type: ignore[arg-type]
    assert caught.value.status == 400
    assert str(caught.value) == (f"Inference-Header-Content-Length should be an integer in range (0, 9), got {value!r}")


def test_a_document_that_python_s_parser_gives_up_is_said_to_be_too_deep() -> None:
    """Requests are counted before and never come so far."""
    with pytest.raises(InferenceError, match=r"JSON: nested too deeply\."):
        parse_json_object(b"[" * 100_000)
