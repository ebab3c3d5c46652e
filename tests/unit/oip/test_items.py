"""JSON that holds more than any request does is refused before it is made into lists, and what is in strings does not count."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.oip import request
from server.oip.items import DEEPEST, SPARE, too_deep, too_many
from tests.unit.oip.oip_messages import ENCODED, PIXELS, any_model
from tests.unit.oip.test_infer_request import refusal

documents = st.recursive(
    st.none() | st.integers() | st.text(',[]{}"\\a', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(',[{"\\', max_size=4), inner, max_size=3),
    max_leaves=20,
)


def structure(value: object) -> tuple[int, int]:
    """Return commas and containers outside of strings."""
    if not isinstance(value, list | dict):
        return 0, 0
    below = [structure(one) for one in (value.values() if isinstance(value, dict) else value)]
    return max(0, len(value) - 1) + sum(one[0] for one in below), 1 + sum(one[1] for one in below)


FILLER = [[]] * 2 * SPARE
"""Takes what may be there besides."""


@settings(max_examples=50, deadline=None)
@given(documents, st.sampled_from([0, 1]))
def test_only_structure_counts(document: object, short: int) -> None:
    text = json.dumps([document, *FILLER]).encode()
    commas, containers = structure([document, *FILLER])
    assert (too_many(text, commas - SPARE - short, containers) is None) is (short == 0)
    assert (too_many(text, commas, containers - SPARE - short) is None) is (short == 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"1," * 100_000, "100000 items"),
        (b"[" * 100_000, "100000 arrays and objects"),
        (b"[],[]" * 9_000, "18000 arrays and objects"),
        (b'"",' * 100_000, "200000 quotation marks"),
        (b'"\\' + b"," * 100_000, None),
        (b'"' * 100_000, None),
        (b'""' * 20_020 + b"," * 20_000, "20000 items"),
        (b'""' * 20_021 + b"," * 20_000, "40042 quotation marks"),
        (b"," * 10_010 + b"[" * 10_011, "10011 arrays and objects"),
        (b'"' + b"," * 100_000 + b'"', None),
    ],
)
def test_what_there_is_too_much_of_is_said(text: bytes, words: str | None) -> None:
    assert too_many(text, 10, 10) == words


@pytest.mark.parametrize(
    "data", [b"[]," * 11_000_000, b'"x",' * 8_000_000, b"[" * 32_000_000], ids=["empty", "texts", "deep"]
)
@pytest.mark.parametrize("spec", [PIXELS, ENCODED], ids=["pixels", "files"])
def test_no_list_is_made_of_32_million_bytes_of_nothing(data: bytes, spec) -> None:
    body = b'{"inputs":[{"name":"x","datatype":"UINT8","shape":[1],"data":[' + data + b"[]]}]}"
    began = time.process_time()
    assert "more than the largest request to model" in refusal(body, None, spec)
    assert time.process_time() - began < 2  # making them takes longer than that, and 700 MB


@pytest.mark.parametrize("nested", [False, True])
def test_the_largest_request_of_numbers_is_counted_as_it_is(nested: bool) -> None:
    row = b"[" + b"1," * 223 + b"1]" if nested else b"1," * 223 + b"1"
    for levels in (224, 3, 8):
        row = b"[" + b",".join([row] * levels) + b"]" if nested else b",".join([row] * levels)
    data = row if nested else b"[" + row + b"]"
    body = b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[8,3,224,224],"data":' + data + b"}]}"
    assert too_many(body, 8 * 3 * 224 * 224, 1 + 8 + 8 * 3 + 8 * 3 * 224) is None


def test_the_largest_request_is_counted_by_the_shapes_of_its_inputs() -> None:
    assert request._most(PIXELS) == (8 * 3 * 224 * 224, 1 + 8 + 8 * 3 + 8 * 3 * 224)
    assert request._most(ENCODED) == (8, 1 + 8)
    assert request._most(any_model("FP32")) == (request.MOST_OF_ANY_SHAPE,) * 2


def depth(value: object) -> int:
    """Return how deep a document nests."""
    if not isinstance(value, list | dict):
        return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)


@settings(max_examples=50, deadline=None)
@given(documents, st.sampled_from([0, 1]))
def test_only_structure_is_deep(document: object, more: int) -> None:
    around = DEEPEST - depth(document) + more
    text = b"[" * around + json.dumps(document).encode() + b"]" * around
    assert too_deep(text) is (more == 1)
    assert not too_deep(b"[]" * 5 * DEEPEST + b"{" + b'"' + b"[" * 2 * DEEPEST + b'"')


@given(st.binary(max_size=50).map(lambda piece: piece * 100))
def test_any_bytes_have_a_depth(text: bytes) -> None:
    too_deep(text)
