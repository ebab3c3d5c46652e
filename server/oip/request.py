"""From the body of `POST /v2/models/<name>/infer` to tensors.

What Triton 2.51 accepts is accepted, except shared memory, classification, text that is not UTF-8 and what it takes by
overflow (sizes of 2^63, UINT8 numbers of 256). Every refusal is a 400 that names the item, worded like Triton's own.
"""

from dataclasses import dataclass
from itertools import accumulate
from math import prod
from operator import mul
from typing import Any

from server.oip.datatypes import BYTES
from server.oip.errors import bad_request, shown
from server.oip.header import malformed, member, optional_member, parse_header_length, parse_json_object
from server.oip.items import too_deep, too_many
from server.oip.model import ModelSpec, TensorSpec
from server.oip.tensors import Tensor, check_shape, from_binary, from_json

MOST_OF_ANY_SHAPE = 10_000_000
"""Elements, and arrays, of an input whose size only the request knows."""

Parameter = str | int | float | bool


@dataclass(frozen=True)
class RequestedOutput:
    """An output that the client wants, as binary data or else as JSON."""

    name: str
    binary: bool


@dataclass(frozen=True)
class InferRequest:
    """A request whose tensors are known to fit the model.

    Attributes:
        id: to be echoed; None when the client gave none.
        inputs: by name; numbers are arrays of the request's shape, read-only views of the body when they came as binary
            data; BYTES are the elements in C order, views of the body likewise.
        outputs: what to answer, in this order; never empty.
        parameters: the client's own, without `binary_data_output`.
        batch_size: items in the request, 1 to the model's `max_batch_size`.
    """

    id: str | None
    inputs: dict[str, Tensor]
    outputs: tuple[RequestedOutput, ...]
    parameters: dict[str, Parameter]
    batch_size: int


def parse_request(body: bytes | memoryview, header_length: int | str | None, spec: ModelSpec) -> InferRequest:
    """Parse an inference request.

    Args:
        body: the HTTP body; the tensors are views of it, so it stays in memory as long as they do.
        header_length: the HTTP header `Inference-Header-Content-Length`, as it came or as a number; None when absent. 0
            makes the whole body the only input's data, a batch of one answered in binary (Triton's raw binary request).
        spec: the model.

    Raises:
        InferenceError: 400, naming what is wrong.
    """
    view = memoryview(body)
    text = json_of(view, header_length, spec)
    if not text:
        return _parse_raw(view, spec)
    document = parse_json_object(text)
    identifier = optional_member(document, "id", str, "the request", None)
    parameters, binary_output = _parse_parameters(document)
    inputs, batch_size = _parse_inputs(member(document, "inputs", list, "the request"), view[len(text) :], spec)
    return InferRequest(identifier, inputs, _parse_outputs(document, binary_output, spec), parameters, batch_size)


def json_of(body: bytes | memoryview, header_length: int | str | None, spec: ModelSpec) -> bytes:
    """Return a request's JSON, seen to be of a size and depth that may be parsed; arguments as of `parse_request`.

    Raises:
        InferenceError: 400, it is not, or there is no such text.
    """
    if not body:
        raise bad_request(f"the request's body is empty; expected a JSON object with 'inputs' for model '{spec.name}'")
    text = bytes(body[: parse_header_length(header_length, len(body))])
    if found := too_many(text, *_most(spec)):
        raise bad_request(f"the request's JSON has {found}, more than the largest request to model '{spec.name}'")
    if too_deep(text):
        raise malformed("nested too deeply")
    return text


def _most(spec: ModelSpec) -> tuple[int, int]:
    """Return how many elements, and arrays with one for each row of them, the inputs of the largest request have."""
    shapes = [(spec.max_batch_size, *tensor.shape[1:]) for tensor in spec.inputs]
    if any(-1 in shape for shape in shapes):
        return MOST_OF_ANY_SHAPE, MOST_OF_ANY_SHAPE
    return sum(map(prod, shapes)), sum(sum(accumulate(shape[:-1], mul, initial=1)) for shape in shapes)


def _parse_raw(body: memoryview, spec: ModelSpec) -> InferRequest:
    if len(spec.inputs) != 1 or any(-1 in tensor.shape[1:] for tensor in spec.inputs):
        raise bad_request(f"model '{spec.name}' takes no raw binary request: it has not one input of fixed shape")
    tensor = spec.inputs[0]
    shape = (1, *tensor.shape[1:])
    data: Tensor = [body] if tensor.datatype == BYTES else from_binary(spec, tensor, shape, body)
    outputs = tuple(RequestedOutput(output.name, True) for output in spec.outputs)
    return InferRequest(None, {tensor.name: data}, outputs, {}, 1)


def _parse_inputs(items: list[Any], binary: memoryview, spec: ModelSpec) -> tuple[dict[str, Tensor], int]:
    known = {tensor.name: tensor for tensor in spec.inputs}
    inputs: dict[str, Tensor] = {}
    batches: dict[str, int] = {}
    for index, item in enumerate(items):
        name = _named(item, f"inputs[{index}]")
        if name not in known:
            raise bad_request(
                f"unexpected inference input {shown(name)} for model '{spec.name}', expected {_names(known)}"
            )
        if name in inputs:
            raise bad_request(f"input '{name}' already exists in request")
        inputs[name], batches[name], binary = _parse_input(item, binary, known[name], spec)
    if missing := known.keys() - inputs.keys():
        raise bad_request(
            f"expected {len(known)} inputs but got {len(inputs)} inputs for model '{spec.name}'. Got input(s) "
            f"[{_names(inputs)}], but missing required input(s) [{_names(sorted(missing))}]"
        )
    if binary:
        raise bad_request(
            f"unexpected additional input data for model '{spec.name}': {len(binary)} bytes after the last input"
        )
    if len(set(batches.values())) != 1:
        raise bad_request(f"the inputs of a request to model '{spec.name}' should have one batch size, got {batches}")
    return inputs, next(iter(batches.values()))


def _parse_input(
    item: dict[str, Any], binary: memoryview, tensor: TensorSpec, spec: ModelSpec
) -> tuple[Tensor, int, memoryview]:
    """Return the tensor, its batch size and the binary data that is left for the inputs after it."""
    of = f"input '{tensor.name}'"
    datatype = member(item, "datatype", str, of)
    if datatype != tensor.datatype:
        raise bad_request(
            f"inference input '{tensor.name}' data-type is {shown(datatype)}, but model '{spec.name}' expects "
            f"'{tensor.datatype}'"
        )
    shape = check_shape(spec, tensor, member(item, "shape", list, of))
    parameters = optional_member(item, "parameters", dict, of, {})
    _refuse_shared_memory(parameters, of)
    if ("data" in item) == ("binary_data_size" in parameters):
        raise bad_request(f"{of} must set exactly one of 'data' and, in 'parameters', 'binary_data_size'")
    if "data" in item:
        return from_json(spec, tensor, shape, member(item, "data", list, of)), shape[0], binary
    size = member(parameters, "binary_data_size", int, of)
    if size < 0:
        raise bad_request(f"Unable to parse 'binary_data_size' of {of}: expected at least 0, got {shown(size)}")
    if size > len(binary):
        raise bad_request(
            f"unexpected size for input '{tensor.name}', expecting {shown(size - len(binary))} additional bytes for "
            f"model '{spec.name}'"
        )
    return from_binary(spec, tensor, shape, binary[:size]), shape[0], binary[size:]


def _parse_outputs(document: dict[str, Any], binary: bool, spec: ModelSpec) -> tuple[RequestedOutput, ...]:
    known = [tensor.name for tensor in spec.outputs]
    requested: dict[str, RequestedOutput] = {}
    for index, item in enumerate(optional_member(document, "outputs", list, "the request", [])):
        name = _named(item, f"outputs[{index}]")
        if name not in known:
            raise bad_request(
                f"unexpected inference output {shown(name)} for model '{spec.name}', expected {_names(known)}"
            )
        of = f"output '{name}'"
        parameters = optional_member(item, "parameters", dict, of, {})
        _refuse_shared_memory(parameters, of)
        if "classification" in parameters:
            raise bad_request(f"{of} asks for 'classification', which is not supported; leave it out")
        # An output that is listed without `binary_data` is JSON even when `binary_data_output` is true, and the first
        # of two wins: the extension's text says otherwise of the former, but Triton answers so.
        as_binary = optional_member(parameters, "binary_data", bool, of, False)
        requested.setdefault(name, RequestedOutput(name, as_binary))
    return tuple(requested.values()) or tuple(RequestedOutput(name, binary) for name in known)


def _parse_parameters(document: dict[str, Any]) -> tuple[dict[str, Parameter], bool]:
    """Return the client's own parameters, and whether outputs that it does not list are wanted as binary data."""
    parameters = dict(optional_member(document, "parameters", dict, "the request", {}))
    binary: bool = optional_member(parameters, "binary_data_output", bool, "the request's parameters", False)
    parameters.pop("binary_data_output", None)
    for key, value in parameters.items():
        if key.startswith("triton_"):
            raise bad_request(f"parameter {shown(key)}: keys starting with 'triton_' are reserved")
        if not isinstance(value, str | int | float):
            raise bad_request(f"parameter {shown(key)} should be a number, a string, true or false, got {shown(value)}")
    return parameters, binary


def _named(item: Any, of: str) -> str:
    if not isinstance(item, dict):
        raise bad_request(f"{of} should be an object with 'name', got {shown(item)}")
    name: str = member(item, "name", str, of)
    return name


def _names(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _refuse_shared_memory(parameters: dict[str, Any], of: str) -> None:
    if "shared_memory_region" in parameters:
        raise bad_request(f"{of} is in shared memory, which is not supported; send its data in the request")
