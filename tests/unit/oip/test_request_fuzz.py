"""Whatever bytes come, a request is parsed or refused with an InferenceError; nothing else ever comes out."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.oip.errors import InferenceError
from server.oip.model import ModelSpec
from server.oip.request import InferRequest, parse_request
from tests.unit.oip.oip_messages import ENCODED, PIXELS, any_model, elements

SPECS = (PIXELS, ENCODED, any_model("UINT8", (2,)), any_model("FP32"), any_model("BYTES"))

lengths = st.none() | st.integers(-3, 300) | st.integers().map(str) | st.text(max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
sizes = st.integers(-1, 3) | st.integers()


def outcome(body: bytes, length: Any, spec: ModelSpec) -> InferRequest | InferenceError:
    try:
        return parse_request(body, length, spec)
    except InferenceError as error:
        refused = error
    assert refused.status == 400
    assert 0 < len(str(refused).encode()) < 1000  # it can be encoded
    return refused


@given(st.binary(max_size=300), lengths, st.sampled_from(SPECS))
@example(b"{" * 5000, None, PIXELS)
def test_any_bytes(body: bytes, length: Any, spec: ModelSpec) -> None:
    outcome(body, length, spec)


def perhaps(likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what a client sends, else anything that JSON can hold."""
    return st.one_of(likely, likely, likely, likely, values)


tensor = st.fixed_dictionaries(
    {},
    optional={
        "name": perhaps(st.just("x")),
        "datatype": perhaps(st.sampled_from(["UINT8", "FP32", "BYTES"])),
        "shape": perhaps(st.lists(sizes, min_size=2, max_size=2)),
        "data": perhaps(st.lists(scalars, max_size=6)),
        "parameters": perhaps(st.fixed_dictionaries({}, optional={"binary_data_size": perhaps(st.integers(0, 12))})),
    },
)
document = st.fixed_dictionaries(
    {},
    optional={
        "id": perhaps(st.text(max_size=5)),
        "inputs": perhaps(st.lists(tensor, max_size=2)),
        "outputs": perhaps(st.lists(perhaps(st.fixed_dictionaries({"name": st.just("y")})), max_size=2)),
        "parameters": perhaps(st.dictionaries(st.sampled_from(["binary_data_output", "a"]), scalars, max_size=2)),
    },
)


@settings(max_examples=400)
@given(
    document, st.binary(max_size=12) | st.just(elements(b"ab", b"")), lengths | st.just("exact"), st.sampled_from(SPECS)
)
def test_any_document(content: Any, binary: bytes, length: Any, spec: ModelSpec) -> None:
    header = json.dumps(content).encode()
    outcome(header + binary, len(header) if length == "exact" else length, spec)


@settings(max_examples=300)
@given(
    st.sampled_from(["UINT8", "FP32", "BYTES"]),
    st.lists(st.integers(0, 4), min_size=2, max_size=2),
    st.binary(max_size=16) | st.just(elements(b"ab", b"")),
    st.integers(-1, 1),
)
def test_a_parsed_tensor_has_the_elements_of_its_shape(
    datatype: str, shape: list[int], binary: bytes, off: int
) -> None:
    item = {"name": "x", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(binary) + off}}
    header = json.dumps({"inputs": [item]}).encode()
    parsed = outcome(header + binary, len(header), any_model(datatype))
    if isinstance(parsed, InferRequest):
        assert off == 0
        assert parsed.batch_size == shape[0]
        x = parsed.inputs["x"]
        if isinstance(x, list):
            assert len(x) == shape[0] * shape[1]
            assert elements(*map(bytes, x)) == binary
        else:
            assert list(x.shape) == shape
            assert x.tobytes() == binary
    elif datatype == "UINT8" and off == 0 and shape[0] > 0:
        assert shape[0] * shape[1] != len(binary)
