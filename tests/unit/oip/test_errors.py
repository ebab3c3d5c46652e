"""What a client sent is shown in a message as it was, but for its length."""

import pytest

from server.oip.errors import InferenceError, bad_request, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        ("a'b", '"a\'b"'),
        ({"a": 1}, "{…}"),
        ([], "[]"),
        ([1, "a", {"b": 2}, [3]], "[1,'a',{…},[…]]"),
        ("x" * 78, "'" + "x" * 78 + "'"),
        ("x" * 79, "'" + "x" * 78 + "…"),
        ("x" * 1000, "'" + "x" * 78 + "…"),
        ("x" * 80 + "'" * 10**6, "'" + "x" * 78 + "…"),  # what is cut off is not even looked at
        (10**79, "1" + 79 * "0"),
        (10**80, "1" + 78 * "0" + "…"),
        ([7] * 39, "[" + ",".join("7" * 39) + "]"),
        ([7] * 1000, "[" + 39 * "7," + "…"),
    ],
)
def test_a_value_is_shown_one_level_deep_and_at_most_80_characters_long(value: object, text: str) -> None:
    assert shown(value) == text
    assert len(shown(value)) <= 80


def test_the_limit_may_be_another() -> None:
    assert shown("abcdef", limit=5) == "'abc…"
    assert shown([1, 2, 3, 4], limit=4) == "[1,…"


def test_what_is_wrong_in_itself_is_a_400() -> None:
    error = bad_request("no")
    assert (type(error), error.status, str(error)) == (InferenceError, 400, "no")
