"""The real client's requests are understood, and it understands the answers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from server.oip.datatypes import NUMERIC
from server.oip.request import RequestedOutput, parse_request
from server.oip.response import encode_response
from tests.unit.oip.oip_messages import ENCODED, PIXELS, any_model

ids = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def client_input(name: str, datatype: str, value: np.ndarray[Any, Any], binary: bool) -> InferInput:
    tensor = InferInput(name, list(value.shape), datatype)
    tensor.set_data_from_numpy(value, binary_data=binary)
    return tensor


def client_result(spec: Any, request: Any, outputs: dict[str, np.ndarray[Any, Any]]) -> Any:
    answer = encode_response(spec, request, outputs)
    binary = any(output.binary for output in request.outputs)
    assert answer.content_type == ("application/octet-stream" if binary else "application/json")
    return InferenceServerClient.parse_response_body(b"".join(answer.chunks), header_length=answer.header_length)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3), st.booleans(), st.none() | st.booleans(), ids)
def test_pixels(seed: int, batch: int, binary_in: bool, binary_out: bool | None, identifier: str) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (batch, 3, 224, 224), np.uint8)
    embeddings = rng.standard_normal((batch, 512), np.float32)
    outputs = None if binary_out is None else [InferRequestedOutput("embedding", binary_data=binary_out)]
    body, length = InferenceServerClient.generate_request_body(
        [client_input("image", "UINT8", pixels, binary_in)], outputs=outputs, request_id=identifier
    )
    request = parse_request(body, length, PIXELS)
    assert np.array_equal(request.inputs["image"], pixels)
    assert request.batch_size == batch
    # Without listed outputs the client asks for binary_data_output.
    assert request.outputs == (RequestedOutput("embedding", binary_out is not False),)
    result = client_result(PIXELS, request, {"embedding": embeddings})
    assert np.array_equal(result.as_numpy("embedding"), embeddings)
    response = result.get_response()
    assert response.get("id", "") == identifier
    assert (response["model_name"], response["model_version"]) == ("openclip_vit_b32", "1")


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=8))
def test_files(files: list[bytes]) -> None:
    value = np.array(files, np.object_).reshape(-1, 1)
    body, length = InferenceServerClient.generate_request_body([client_input("encoded_image", "BYTES", value, True)])
    request = parse_request(body, length, ENCODED)
    assert [bytes(file) for file in request.inputs["encoded_image"]] == files


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=8))
def test_strings_in_json(texts: list[str]) -> None:
    value = np.array(texts, np.object_).reshape(-1, 1)
    body, length = InferenceServerClient.generate_request_body([client_input("encoded_image", "BYTES", value, False)])
    assert length is None
    request = parse_request(body, length, ENCODED)
    assert request.inputs["encoded_image"] == [text.encode() for text in texts]


@pytest.mark.parametrize("datatype", sorted(NUMERIC))
@given(data=st.data(), binary_in=st.booleans(), binary_out=st.booleans())
def test_every_datatype(datatype: str, data: st.DataObject, binary_in: bool, binary_out: bool) -> None:
    dtype = NUMERIC[datatype]
    numbers = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    shape = st.tuples(st.integers(1, 8), st.integers(1, 4))
    value = data.draw(hnp.arrays(dtype, shape, elements=hnp.from_dtype(dtype, **numbers)))
    spec = any_model(datatype)
    outputs = [InferRequestedOutput("y", binary_data=binary_out)]
    body, length = InferenceServerClient.generate_request_body(
        [client_input("x", datatype, value, binary_in)], outputs=outputs
    )
    request = parse_request(body, length, spec)
    x = request.inputs["x"]
    assert isinstance(x, np.ndarray)
    assert np.array_equal(x, value)
    result = client_result(spec, request, {"y": x})
    assert np.array_equal(result.as_numpy("y"), value)
    assert result.get_response()["model_version"] == "2"


def test_custom_parameters() -> None:
    value = np.zeros((1, 3, 224, 224), np.uint8)
    body, length = InferenceServerClient.generate_request_body(
        [client_input("image", "UINT8", value, True)], priority=2, timeout=500, parameters={"tag": "a", "deep": True}
    )
    assert parse_request(body, length, PIXELS).parameters == {"priority": 2, "timeout": 500, "tag": "a", "deep": True}
