import json

import numpy as np
import pytest

from server.oip.errors import InferenceError
from server.oip.model import ModelSpec, TensorSpec
from server.oip.request import InferRequest, RequestedOutput
from server.oip.response import encode_response
from tests.unit.oip.oip_messages import PIXELS

EMBEDDINGS = np.arange(1024, dtype=np.float32).reshape(2, 512)


def request(*outputs: RequestedOutput, identifier: str | None = None) -> InferRequest:
    return InferRequest(identifier, {}, outputs or (RequestedOutput("embedding", True),), {}, 2)


def test_binary_output_is_a_view_behind_its_description() -> None:
    answer = encode_response(PIXELS, request(identifier="é"), {"embedding": EMBEDDINGS})
    header, data = answer.chunks
    assert answer.header_length == len(header)
    assert json.loads(bytes(header)) == {
        "id": "é",
        "model_name": "openclip_vit_b32",
        "model_version": "1",
        "outputs": [
            {
                "name": "embedding",
                "datatype": "FP32",
                "shape": [2, 512],
                "parameters": {"binary_data_size": 4096},
            }
        ],
    }
    assert bytes(data) == EMBEDDINGS.astype("<f4").tobytes()
    assert np.shares_memory(np.frombuffer(data, np.uint8), EMBEDDINGS)


@pytest.mark.parametrize("identifier", [None, ""])
def test_json_output_is_a_flat_list(identifier: str | None) -> None:
    answer = encode_response(
        PIXELS, request(RequestedOutput("embedding", False), identifier=identifier), {"embedding": EMBEDDINGS}
    )
    (body,) = answer.chunks
    assert (answer.content_type, answer.header_length) == ("application/json", None)
    assert json.loads(bytes(body)) == {
        "model_name": "openclip_vit_b32",
        "model_version": "1",
        "outputs": [
            {"name": "embedding", "datatype": "FP32", "shape": [2, 512], "data": [float(i) for i in range(1024)]}
        ],
    }


def test_array_in_another_order_of_memory() -> None:
    strided = np.asfortranarray(EMBEDDINGS)
    for binary in (True, False):
        asked = request(RequestedOutput("embedding", binary))
        assert encode_response(PIXELS, asked, {"embedding": strided}).chunks == (
            encode_response(PIXELS, asked, {"embedding": EMBEDDINGS}).chunks
        )


def test_outputs_come_as_asked_for_and_in_that_order() -> None:
    spec = ModelSpec("m", ("1",), "p", (), tuple(TensorSpec(name, "INT32", (-1,)) for name in "abc"), 8)
    arrays = {name: np.array([index, index], np.int32) for index, name in enumerate("abc")}
    asked = request(RequestedOutput("c", True), RequestedOutput("b", False), RequestedOutput("a", True))
    answer = encode_response(spec, asked, arrays)
    assert answer.header_length is not None
    body = b"".join(answer.chunks)
    outputs = json.loads(body[: answer.header_length])["outputs"]
    assert [(output["name"], output.get("data")) for output in outputs] == [("c", None), ("b", [1, 1]), ("a", None)]
    assert np.frombuffer(body[answer.header_length :], "<i4").tolist() == [2, 2, 0, 0]
    assert len(encode_response(spec, request(RequestedOutput("b", True)), arrays).chunks) == 2


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({}, "is missing"),
        ({"embedding": EMBEDDINGS[:1]}, "has shape [1, 512], expected [2, 512]"),
        ({"embedding": EMBEDDINGS[:, :5]}, "has shape [2, 5], expected [2, 512]"),
        ({"embedding": EMBEDDINGS[0]}, "has shape [512], expected [2, 512]"),
        ({"embedding": EMBEDDINGS.astype(np.float64)}, "has datatype float64, expected FP32"),
        ({"embedding": np.full_like(EMBEDDINGS, np.nan)}, "has NaN or infinite elements, which JSON cannot hold"),
        ({"embedding": np.full_like(EMBEDDINGS, np.inf)}, "has NaN or infinite elements, which JSON cannot hold"),
    ],
)
def test_outputs_that_the_model_should_not_give(outputs: dict[str, np.ndarray], expected: str) -> None:
    with pytest.raises(InferenceError) as caught:
        encode_response(PIXELS, request(RequestedOutput("embedding", False)), outputs)
    assert caught.value.status == 500
    assert str(caught.value) == f"output 'embedding' of model 'openclip_vit_b32' {expected}"


def test_the_header_is_compact_utf_8() -> None:
    header, _ = encode_response(PIXELS, request(identifier="é"), {"embedding": EMBEDDINGS}).chunks
    assert bytes(header).decode() == (
        '{"id":"é","model_name":"openclip_vit_b32","model_version":"1","outputs":[{"name":"embedding","datatype":"FP32",'
        '"shape":[2,512],"parameters":{"binary_data_size":4096}}]}'
    )
