import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.oip.datatypes import NUMERIC
from server.oip.errors import InferenceError
from server.oip.model import ModelSpec, TensorSpec
from server.oip.request import RequestedOutput, parse_request
from tests.unit.oip.oip_messages import (
    ENCODED,
    IMAGE_BYTES,
    PIXELS,
    any_model,
    elements,
    file_input,
    image_input,
    message,
)

IMAGE = np.random.default_rng(0).integers(0, 256, (1, 3, 224, 224), np.uint8)
DEFAULT_OUTPUT = (RequestedOutput("embedding", False),)


def refusal(body: bytes, length: int | str | None, spec: ModelSpec = PIXELS) -> str:
    with pytest.raises(InferenceError) as caught:
        parse_request(body, length, spec)
    assert caught.value.status == 400
    return str(caught.value)


def test_binary_pixels_are_a_view_of_the_body() -> None:
    body, length = message({"id": "7", "inputs": [image_input()]}, IMAGE.tobytes())
    request = parse_request(body, length, PIXELS)
    image = request.inputs["image"]
    assert isinstance(image, np.ndarray)
    assert np.array_equal(image, IMAGE)
    assert np.shares_memory(image, np.frombuffer(body, np.uint8))
    assert (request.id, request.batch_size, request.parameters, request.outputs) == ("7", 1, {}, DEFAULT_OUTPUT)


def test_binary_files_are_views_of_the_body() -> None:
    body, length = message(
        {"inputs": [file_input(3, parameters={"binary_data_size": 20})]}, elements(b"first", b"", b"3rd")
    )
    files = parse_request(memoryview(body), length, ENCODED).inputs["encoded_image"]
    assert [bytes(file) for file in files] == [b"first", b"", b"3rd"]
    assert all(isinstance(file, memoryview) and file.obj is body for file in files)


def test_strings_are_utf8_never_base64() -> None:
    body, _ = message({"inputs": [file_input(2, data=[["YWJj"], ["é€"]])]})
    request = parse_request(body, None, ENCODED)
    assert (request.inputs["encoded_image"], request.batch_size) == ([b"YWJj", "é€".encode()], 2)


@pytest.mark.parametrize("nesting", [lambda x: x.ravel(), lambda x: x, lambda x: x.reshape(7, -1)])
def test_json_pixels_flat_or_nested(nesting: Any) -> None:
    body, _ = message({"inputs": [image_input(parameters=..., data=nesting(IMAGE).tolist())]})
    assert np.array_equal(parse_request(body, None, PIXELS).inputs["image"], IMAGE)


def test_json_in_irregular_nests_keeps_its_order() -> None:
    body, _ = message(
        {"inputs": [{"name": "x", "datatype": "INT32", "shape": [2, 3], "data": [0, [1, [2]], [[3], 4], 5]}]}
    )
    assert np.array_equal(parse_request(body, None, any_model("INT32")).inputs["x"], [[0, 1, 2], [3, 4, 5]])


def test_raw_binary_request_is_one_item_answered_in_binary() -> None:
    outputs = (RequestedOutput("embedding", True),)
    file = parse_request(b"\xff\xd8 a JPEG", 0, ENCODED)
    assert (file.inputs, file.outputs, file.batch_size) == ({"encoded_image": [b"\xff\xd8 a JPEG"]}, outputs, 1)
    pixels = parse_request(IMAGE.tobytes(), "0", PIXELS)
    assert np.array_equal(pixels.inputs["image"], IMAGE)
    assert pixels.outputs == outputs


@pytest.mark.parametrize(
    ("document", "binary"),
    [
        ({}, False),
        ({"outputs": []}, False),
        ({"parameters": {"binary_data_output": True}}, True),
        ({"parameters": {"binary_data_output": True}, "outputs": []}, True),
        ({"parameters": {"binary_data_output": True}, "outputs": [{"name": "embedding"}]}, False),
        ({"outputs": [{"name": "embedding", "parameters": {"binary_data": True}}]}, True),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "embedding", "parameters": {"binary_data": False}}],
            },
            False,
        ),
        ({"outputs": [{"name": "embedding", "parameters": {"binary_data": True}}, {"name": "embedding"}]}, True),
    ],
)
def test_requested_outputs(document: dict[str, Any], binary: bool) -> None:
    body, length = message({"inputs": [image_input()]} | document, bytes(IMAGE_BYTES))
    assert parse_request(body, length, PIXELS).outputs == (RequestedOutput("embedding", binary),)


def test_parameters_are_the_clients_own() -> None:
    given = {"a": 1, "b": "x", "c": 1.5, "d": True}
    body, length = message(
        {"inputs": [image_input()], "parameters": given | {"binary_data_output": False}}, bytes(IMAGE_BYTES)
    )
    assert parse_request(body, length, PIXELS).parameters == given


def test_unknown_members_are_ignored() -> None:
    item = image_input(parameters={"binary_data_size": IMAGE_BYTES, "mine": [1]}, more=None)
    body, length = message({"inputs": [item], "model_name": "x"}, bytes(IMAGE_BYTES))
    assert parse_request(body, length, PIXELS).id is None


SHAPE = "unexpected shape for input 'image' for model 'openclip_vit_b32'. Expected [-1,3,224,224], got "
SIZE = "input byte size mismatch for input 'image' for model 'openclip_vit_b32'. Expected 150528, got "
BATCH = "inference request batch-size must be >= 1 and <= 8 for 'openclip_vit_b32', got "
BAD_SIZE = "Unable to parse 'shape' of input 'image': shape[0] should be an integer of at least 0 and 64 bits, got "


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"shape": [1, 3, 10, 10]}, SHAPE + "[1,3,10,10]"),
        ({"shape": [3, 224, 224]}, SHAPE + "[3,224,224]"),
        ({"shape": [1, 1, 3, 224, 224]}, SHAPE + "[1,1,3,224,224]"),
        ({"shape": []}, SHAPE + "[]"),
        ({"shape": [1, 3, 224, 2**62]}, SHAPE + "[1,3,224,4611686018427387904]"),
        ({"shape": [0, 3, 224, 224]}, BATCH + "0 in input 'image'"),
        ({"shape": [9, 3, 224, 224]}, BATCH + "9 in input 'image'"),
        ({"shape": [2**62, 3, 224, 224]}, BATCH + "4611686018427387904 in input 'image'"),
        ({"shape": [-1, 3, 224, 224]}, BAD_SIZE + "-1"),
        ({"shape": [2**63, 3, 224, 224]}, BAD_SIZE + "9223372036854775808"),
        ({"shape": [1.0, 3, 224, 224]}, BAD_SIZE + "1.0"),
        ({"shape": [True, 3, 224, 224]}, BAD_SIZE + "True"),
        ({"shape": [None, 3, 224, 224]}, BAD_SIZE + "None"),
        ({"shape": [[[1]], 3, 224, 224]}, BAD_SIZE + "[[…]]"),
        ({"shape": "1,3"}, "Unable to parse 'shape' of input 'image': expected an array, got a string, '1,3'"),
        ({"shape": ...}, "Unable to parse 'shape' of input 'image': it is missing, expected an array"),
        (
            {"datatype": "FP32"},
            "inference input 'image' data-type is 'FP32', but model 'openclip_vit_b32' expects 'UINT8'",
        ),
        ({"datatype": ...}, "Unable to parse 'datatype' of input 'image': it is missing, expected a string"),
        ({"datatype": 8}, "Unable to parse 'datatype' of input 'image': expected a string, got an integer, 8"),
        ({"name": ...}, "Unable to parse 'name' of inputs[0]: it is missing, expected a string"),
        ({"name": None}, "Unable to parse 'name' of inputs[0]: expected a string, got null"),
        ({"name": "img"}, "unexpected inference input 'img' for model 'openclip_vit_b32', expected 'image'"),
        ({"parameters": {"binary_data_size": 100}}, SIZE + "100"),
        ({"parameters": {"binary_data_size": 0}}, SIZE + "0"),
        (
            {"parameters": {"binary_data_size": -1}},
            "Unable to parse 'binary_data_size' of input 'image': expected at least 0, got -1",
        ),
        (
            {"parameters": {"binary_data_size": True}},
            "Unable to parse 'binary_data_size' of input 'image': expected an integer, got true or false, True",
        ),
        (
            {"parameters": {"binary_data_size": IMAGE_BYTES + 5}},
            "unexpected size for input 'image', expecting 5 additional bytes for model 'openclip_vit_b32'",
        ),
        ({"parameters": []}, "Unable to parse 'parameters' of input 'image': expected an object, got an array"),
        (
            {"parameters": {}},
            "input 'image' must set exactly one of 'data' and, in 'parameters', 'binary_data_size'",
        ),
        (
            {"data": [1]},
            "input 'image' must set exactly one of 'data' and, in 'parameters', 'binary_data_size'",
        ),
        (
            {"parameters": {"shared_memory_region": "r"}},
            "input 'image' is in shared memory, which is not supported; send its data in the request",
        ),
    ],
)
def test_bad_input(changes: dict[str, Any], expected: str) -> None:
    assert refusal(*message({"inputs": [image_input(**changes)]}, bytes(IMAGE_BYTES))) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"inputs": ...}, "Unable to parse 'inputs' of the request: it is missing, expected an array"),
        ({"inputs": {}}, "Unable to parse 'inputs' of the request: expected an array, got an object"),
        ({"inputs": [3]}, "inputs[0] should be an object with 'name', got 3"),
        (
            {"inputs": []},
            "expected 1 inputs but got 0 inputs for model 'openclip_vit_b32'. Got input(s) [], "
            "but missing required input(s) ['image']",
        ),
        ({"id": 3}, "Unable to parse 'id' of the request: expected a string, got an integer, 3"),
        ({"outputs": {}}, "Unable to parse 'outputs' of the request: expected an array, got an object"),
        ({"outputs": ["embedding"]}, "outputs[0] should be an object with 'name', got 'embedding'"),
        (
            {"outputs": [{"name": "embedding"}, {"name": "logits"}]},
            "unexpected inference output 'logits' for model 'openclip_vit_b32', expected 'embedding'",
        ),
        (
            {"outputs": [{"name": "embedding", "parameters": {"binary_data": 1}}]},
            "Unable to parse 'binary_data' of output 'embedding': expected true or false, got an integer, 1",
        ),
        (
            {"outputs": [{"name": "embedding", "parameters": {"classification": 3}}]},
            "output 'embedding' asks for 'classification', which is not supported; leave it out",
        ),
        (
            {"outputs": [{"name": "embedding", "parameters": {"shared_memory_region": "r"}}]},
            "output 'embedding' is in shared memory, which is not supported; send its data in the request",
        ),
        ({"parameters": None}, "Unable to parse 'parameters' of the request: expected an object, got null"),
        (
            {"parameters": {"binary_data_output": "yes"}},
            "Unable to parse 'binary_data_output' of the request's parameters: expected true or false, "
            "got a string, 'yes'",
        ),
        ({"parameters": {"a": {"b": 1}}}, "parameter 'a' should be a number, a string, true or false, got {…}"),
        ({"parameters": {"a": None}}, "parameter 'a' should be a number, a string, true or false, got None"),
        ({"parameters": {"triton_x": 1}}, "parameter 'triton_x': keys starting with 'triton_' are reserved"),
    ],
)
def test_bad_request(changes: dict[str, Any], expected: str) -> None:
    document = {"inputs": [image_input()]} | changes
    document = {key: value for key, value in document.items() if value is not ...}
    assert refusal(*message(document, bytes(IMAGE_BYTES))) == expected


def test_input_given_twice() -> None:
    body, length = message({"inputs": [image_input(), image_input()]}, bytes(2 * IMAGE_BYTES))
    assert refusal(body, length) == "input 'image' already exists in request"


def test_nests_that_only_just_parse() -> None:
    deep = b"[" * 900 + b"1" + b"]" * 900
    item = b'{"inputs": [{"name": "x", "datatype": "UINT8", "shape": %s, "data": %s}]}'
    assert refusal(item % (deep, b"[1]"), None, any_model("UINT8")).endswith("got [[…]]")
    assert np.array_equal(parse_request(item % (b"[1, 1]", deep), None, any_model("UINT8")).inputs["x"], [[1]])
    assert refusal(item % (b"[1, 1]", b"[" + deep + b",2]"), None, any_model("UINT8")).startswith("unexpected number")


def test_truncated_body_and_leftover_bytes() -> None:
    document = {"inputs": [image_input()]}
    assert refusal(*message(document, bytes(IMAGE_BYTES - 5))) == (
        "unexpected size for input 'image', expecting 5 additional bytes for model 'openclip_vit_b32'"
    )
    assert refusal(*message(document, bytes(IMAGE_BYTES + 2))) == (
        "unexpected additional input data for model 'openclip_vit_b32': 2 bytes after the last input"
    )


@pytest.mark.parametrize(
    ("count", "binary", "expected"),
    [
        (2, elements(b"abc"), "expected 2 string elements for inference input 'encoded_image' for model 'M', got 1"),
        (1, b"", "expected 1 string elements for inference input 'encoded_image' for model 'M', got 0"),
        (
            1,
            elements(b"abc", b"d"),
            "unexpected additional 5 bytes after the string elements of inference input 'encoded_image' for model 'M', "
            "expecting 1 elements",
        ),
        (
            2,
            elements(b"ok", b"abc")[:-1],
            "incomplete string data for inference input 'encoded_image[1]' for model 'M', expecting string of length 3 "
            "but only 2 bytes available",
        ),
        (
            1,
            b"\xff\xff\xff\xff",
            "incomplete string data for inference input 'encoded_image[0]' for model 'M', expecting string of length "
            "4294967295 but only 0 bytes available",
        ),
        (
            2,
            elements(b"ok") + b"\0\0",
            "incomplete string length indicator for inference input 'encoded_image[1]' for model 'M', expecting 4 bytes "
            "but only 2 bytes available",
        ),
    ],
)
def test_bad_elements(count: int, binary: bytes, expected: str) -> None:
    document = {"inputs": [file_input(count, parameters={"binary_data_size": len(binary)})]}
    assert refusal(*message(document, binary), ENCODED) == expected.replace("'M'", "'openclip_vit_b32_encoded'")


@pytest.mark.parametrize(
    ("datatype", "data", "expected"),
    [
        ("UINT8", [0, 256], "element 1 should be a UINT8, 0 to 255, got 256"),
        ("UINT8", [255, 256], "element 1 should be a UINT8, 0 to 255, got 256"),
        ("UINT8", [-1, 2], "element 0 should be a UINT8, 0 to 255, got -1"),
        ("INT64", [0, 2**63], f"element 1 should be a INT64, {-(2**63)} to {2**63 - 1}, got {2**63}"),
        ("UINT8", [1, 10**300], f"element 1 should be a UINT8, 0 to 255, got 1{'0' * 78}…"),
        ("UINT8", [1, 1.0], "element 1 should be an integer, got 1.0"),
        ("UINT8", [1, True], "element 1 should be an integer, got True"),
        ("UINT8", [1, "1"], "element 1 should be an integer, got '1'"),
        ("UINT8", [1, None], "element 1 should be an integer, got None"),
        ("UINT8", [{}, 1], "element 0 should be an integer, got {…}"),
        ("FP32", [1, "1"], "element 1 should be a number, got '1'"),
        ("FP32", [1, False], "element 1 should be a number, got False"),
        (
            "FP32",
            [1, 3.5e38],
            "element 1 should be a FP32, -3.4028234663852886e+38 to 3.4028234663852886e+38, got 3.5e+38",
        ),
        ("BYTES", ["a", 1], "element 1 should be a string (other bytes need the binary form), got 1"),
        ("BYTES", [{"b64": "YQ=="}, "a"], "element 0 should be a string (other bytes need the binary form), got {…}"),
    ],
)
def test_bad_json_elements(datatype: str, data: list[Any], expected: str) -> None:
    body, _ = message({"inputs": [{"name": "x", "datatype": datatype, "shape": [1, 2], "data": data}]})
    assert refusal(body, None, any_model(datatype)) == f"Unable to parse 'data' of input 'x': {expected}"


def test_json_infinity_by_overflow_is_out_of_range() -> None:
    body = b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 1], "data": [1e999]}]}'
    assert refusal(body, None, any_model("FP64")).endswith("got inf")


@pytest.mark.parametrize("data", [[1], [1, 2, 3], [], [[1], [2], [3]]])
def test_json_of_the_wrong_length(data: list[Any]) -> None:
    body, _ = message({"inputs": [{"name": "x", "datatype": "UINT8", "shape": [1, 2], "data": data}]})
    assert refusal(body, None, any_model("UINT8")) == (
        f"unexpected number of elements {len(data)} in 'data' of input 'x' for model 'any', expecting 2"
    )


def test_json_data_that_is_no_array() -> None:
    body, _ = message({"inputs": [image_input(parameters=..., data="abc")]})
    assert refusal(body, None) == "Unable to parse 'data' of input 'image': expected an array, got a string, 'abc'"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b'{"inputs": [', "Expecting value at byte 12"),
        ('{"é": 1,}'.encode(), "Expecting property name enclosed in double quotes at byte 9"),
        (b"\xff\xd8\xff\xe0 a JPEG", "byte 0 is not UTF-8"),
        (b'{"id": "\xff"}', "byte 8 is not UTF-8"),
        ('{"id": "x"}'.encode("utf-16"), "byte 0 is not UTF-8"),
        (b'{"id": "\\ud800"}', "an unpaired surrogate in a string"),
        (b"[" * 9_000, "nested too deeply"),
        (b'{"inputs":' * 9_000, "nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b"}", "a number that is too long"),
    ],
)
def test_malformed_json(header: bytes, reason: str) -> None:
    assert refusal(header, None) == (
        f"failed to parse the request JSON: {reason}. "
        "Binary tensors behind the JSON need its length in Inference-Header-Content-Length"
    )


def test_paired_surrogates_are_one_character() -> None:
    body, length = message(
        b'{"id": "\\ud83d\\ude00", "inputs": [' + json.dumps(image_input()).encode() + b"]}", IMAGE.tobytes()
    )
    assert parse_request(body, length, PIXELS).id == "\U0001f600"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_not_json(constant: str) -> None:
    body = b'{"inputs": [%s]}' % constant.encode()
    assert refusal(body, None) == f"failed to parse the request JSON: {constant} is not a JSON number"


@pytest.mark.parametrize(
    ("document", "kind"),
    [(b"[]", "an array"), (b"null", "null"), (b'"x"', "a string, 'x'"), (b"1.5", "a number with a fraction, 1.5")],
)
def test_json_that_is_no_object(document: bytes, kind: str) -> None:
    assert refusal(document, None) == f"the request's JSON should be an object with 'inputs', got {kind}"


@pytest.mark.parametrize("length", [-1, 3, True, "-1", "3", "+1", "1_0", "0x1", "", "abc", "\uff11", "9" * 5000, 1.0])
def test_header_length_is_no_number_of_bytes_in_the_body(length: Any) -> None:
    assert refusal(b"{}", length).startswith(
        "Inference-Header-Content-Length should be an integer in range (0, 2), got "
    )


def test_header_length_as_text_is_the_number() -> None:
    body, length = message({"inputs": [image_input()]}, IMAGE.tobytes())
    assert np.array_equal(parse_request(body, f" {length} ", PIXELS).inputs["image"], IMAGE)


@pytest.mark.parametrize("length", [None, 0, "0"])
def test_empty_body(length: Any) -> None:
    assert refusal(b"", length) == (
        "the request's body is empty; expected a JSON object with 'inputs' for model 'openclip_vit_b32'"
    )


def test_raw_binary_request_of_the_wrong_size() -> None:
    assert refusal(bytes(2 * IMAGE_BYTES), 0) == SIZE + str(2 * IMAGE_BYTES)


def test_raw_binary_request_needs_a_fixed_shape() -> None:
    assert refusal(b"abc", 0, any_model("UINT8")) == (
        "model 'any' takes no raw binary request: it has not one input of fixed shape"
    )


def test_several_inputs_take_the_binary_data_in_their_order() -> None:
    spec = ModelSpec("two", ("1",), "p", (TensorSpec("a", "INT32", (-1,)), TensorSpec("b", "BYTES", (-1,))), (), 8)
    first = {"name": "b", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 11}}
    second = {"name": "a", "datatype": "INT32", "shape": [2], "parameters": {"binary_data_size": 8}}
    binary = elements(b"xy", b"z") + np.array([7, -8], "<i4").tobytes()
    inputs = parse_request(*message({"inputs": [first, second]}, binary), spec).inputs
    assert inputs["b"] == [b"xy", b"z"]
    assert np.array_equal(inputs["a"], [7, -8])
    short = second | {"shape": [1], "parameters": {"binary_data_size": 4}}
    assert refusal(*message({"inputs": [first, short]}, binary[:-4]), spec) == (
        "the inputs of a request to model 'two' should have one batch size, got {'b': 2, 'a': 1}"
    )


def test_messages_stay_short_whatever_a_client_sends() -> None:
    for changes in ({"name": "n" * 10**6}, {"shape": [1] * 10**5}, {"datatype": "d" * 10**6}):
        text = refusal(*message({"inputs": [image_input(**changes)]}, bytes(IMAGE_BYTES)))
        assert len(text) < 300
        assert re.search("…", text)


@given(st.sampled_from(sorted(NUMERIC)), st.data())
def test_json_numbers_keep_their_value(datatype: str, data: st.DataObject) -> None:
    dtype = NUMERIC[datatype]
    if dtype.kind == "f":
        number: st.SearchStrategy[float] = st.floats(
            allow_nan=False,
            allow_infinity=False,
            width=8 * dtype.itemsize,
        ) | st.integers(-(2**24), 2**24)
    else:
        number = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    values = data.draw(st.lists(number, min_size=2, max_size=20).filter(lambda values: len(values) % 2 == 0))
    shape = [2, len(values) // 2]
    body, _ = message({"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "data": values}]})
    parsed = parse_request(body, None, any_model(datatype)).inputs["x"]
    assert isinstance(parsed, np.ndarray)
    assert (list(parsed.shape), parsed.dtype) == (shape, dtype)
    assert parsed.ravel().tolist() == values


@given(st.sampled_from(sorted({name for name in NUMERIC if "INT" in name})), st.integers())
def test_json_integers_are_in_range_or_refused(datatype: str, value: int) -> None:
    body, _ = message({"inputs": [{"name": "x", "datatype": datatype, "shape": [1, 1], "data": [value]}]})
    bounds = np.iinfo(NUMERIC[datatype])
    if bounds.min <= value <= bounds.max:
        assert parse_request(body, None, any_model(datatype)).inputs["x"][0].tolist() == [value]
    else:
        assert f"should be a {datatype}" in refusal(body, None, any_model(datatype))


@pytest.mark.parametrize("form", [{"data": []}, {"parameters": {"binary_data_size": 0}}])
@pytest.mark.parametrize("datatype", ["UINT8", "FP32", "BYTES"])
def test_inner_dimension_of_zero(datatype: str, form: dict[str, Any]) -> None:
    body, length = message({"inputs": [{"name": "x", "datatype": datatype, "shape": [2, 0]} | form]})
    assert len(np.ravel(parse_request(body, length, any_model(datatype)).inputs["x"])) == 0


def test_a_raw_binary_request_has_no_parameters_and_no_id() -> None:
    found = parse_request(b"\xff\xd8 a JPEG", 0, ENCODED)
    assert (found.parameters, found.id) == ({}, None)


def test_several_names_are_listed_apart() -> None:
    spec = ModelSpec("two", ("1",), "p", (TensorSpec("a", "INT8", (-1,)), TensorSpec("b", "INT8", (-1,))), (), 8)
    assert refusal(*message({"inputs": []}), spec) == (
        "expected 2 inputs but got 0 inputs for model 'two'. Got input(s) [], but missing required input(s) ['a', 'b']"
    )


def test_each_of_several_outputs_is_answered_once_in_the_order_asked_for() -> None:
    outputs = (TensorSpec("y", "FP32", (-1,)), TensorSpec("z", "FP32", (-1,)))
    spec = ModelSpec("two", ("1",), "p", (TensorSpec("a", "INT8", (-1,)),), outputs, 8)
    tensor = {"name": "a", "datatype": "INT8", "shape": [1], "data": [1]}
    asked = [{"name": "z", "parameters": {"binary_data": True}}, {"name": "y"}, {"name": "z"}]
    found = parse_request(*message({"inputs": [tensor], "outputs": asked}), spec).outputs
    assert found == (RequestedOutput("z", True), RequestedOutput("y", False))


def test_an_output_s_parameters_are_refused_by_its_name() -> None:
    body, length = message(
        {"inputs": [image_input()], "outputs": [{"name": "embedding", "parameters": 7}]}, bytes(IMAGE_BYTES)
    )
    assert refusal(body, length) == (
        "Unable to parse 'parameters' of output 'embedding': expected an object, got an integer, 7"
    )
