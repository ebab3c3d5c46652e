"""From one input's data, JSON or binary, to its elements."""

from math import prod
from typing import Any

import numpy as np

from server.oip.datatypes import BYTES, NUMERIC
from server.oip.errors import bad_request, shown
from server.oip.model import ModelSpec, TensorSpec

Numbers = np.ndarray[Any, np.dtype[Any]]
Tensor = Numbers | list[bytes | memoryview]


def check_shape(spec: ModelSpec, tensor: TensorSpec, shape: list[Any]) -> tuple[int, ...]:
    """Return the shape that a request gives its input.

    Args:
        spec: the model, for its batch limit and for messages.
        tensor: the input.
        shape: as it came in the JSON.

    Raises:
        InferenceError: not integers of at least 0, not of the tensor's shape, or a batch of none or too many.
    """
    for index, size in enumerate(shape):
        if type(size) is not int or not 0 <= size < 2**63:
            raise bad_request(
                f"Unable to parse 'shape' of input '{tensor.name}': shape[{index}] should be an integer of "
                f"at least 0 and 64 bits, got {shown(size)}"
            )
    # Sizes are compared, never multiplied, until all of them are known to be the tensor's: a product may be absurd.
    if len(shape) != len(tensor.shape) or any(
        want not in (-1, size) for want, size in zip(tensor.shape, shape, strict=True)
    ):
        expected = str(list(tensor.shape)).replace(" ", "")
        raise bad_request(
            f"unexpected shape for input '{tensor.name}' for model '{spec.name}'. "
            f"Expected {expected}, got {shown(shape)}"
        )
    if not 1 <= shape[0] <= spec.max_batch_size:
        raise bad_request(
            f"inference request batch-size must be >= 1 and <= {spec.max_batch_size} for '{spec.name}', "
            f"got {shown(shape[0])} in input '{tensor.name}'"
        )
    return tuple(shape)


def from_binary(spec: ModelSpec, tensor: TensorSpec, shape: tuple[int, ...], data: memoryview) -> Tensor:
    """Return an input's elements as views of the request's body.

    Args:
        spec: the model, for messages.
        tensor: the input.
        shape: checked.
        data: the tensor's bytes, C order, little-endian.

    Returns:
        An array of `shape`; for BYTES the elements in C order.

    Raises:
        InferenceError: the bytes do not make up the shape.
    """
    if tensor.datatype == BYTES:
        return _split_elements(spec, tensor, prod(shape), data)
    dtype = NUMERIC[tensor.datatype]
    expected = prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise bad_request(
            f"input byte size mismatch for input '{tensor.name}' for model '{spec.name}'. "
            f"Expected {expected}, got {len(data)}"
        )
    return np.frombuffer(data, dtype).reshape(shape)


def from_json(spec: ModelSpec, tensor: TensorSpec, shape: tuple[int, ...], data: list[Any]) -> Tensor:
    """Return an input's elements from the JSON member `data`, flat or nested in any way, as Triton takes it.

    Args:
        spec: the model, for messages.
        tensor: the input.
        shape: checked.
        data: in C order.

    Returns:
        An array of `shape`; for BYTES the strings as UTF-8, in C order.

    Raises:
        InferenceError: too few or too many elements, or one, named by its position, that is not of the datatype.
    """
    elements = _flattened(data)
    if len(elements) != prod(shape):
        raise bad_request(
            f"unexpected number of elements {len(elements)} in 'data' of input '{tensor.name}' for model "
            f"'{spec.name}', expecting {prod(shape)}"
        )
    if tensor.datatype == BYTES:
        _check_kinds(tensor, elements, {str}, "a string (other bytes need the binary form)")
        return [element.encode() for element in elements]
    dtype = NUMERIC[tensor.datatype]
    if dtype.kind == "f":
        _check_kinds(tensor, elements, {int, float}, "a number")
        limit = float(np.finfo(dtype).max)
        _check_range(tensor, elements, -limit, limit)
    else:
        _check_kinds(tensor, elements, {int}, "an integer")
        bounds = np.iinfo(dtype)
        _check_range(tensor, elements, bounds.min, bounds.max)
    return np.array(elements, dtype).reshape(shape)


def _split_elements(spec: ModelSpec, tensor: TensorSpec, count: int, data: memoryview) -> list[bytes | memoryview]:
    elements: list[bytes | memoryview] = []
    offset = 0
    while offset < len(data):
        item = f"inference input '{tensor.name}[{len(elements)}]' for model '{spec.name}'"
        if len(elements) == count:
            raise bad_request(
                f"unexpected additional {len(data) - offset} bytes after the string elements of inference input "
                f"'{tensor.name}' for model '{spec.name}', expecting {count} elements"
            )
        start = offset + 4
        if start > len(data):
            raise bad_request(
                f"incomplete string length indicator for {item}, expecting 4 bytes but only {len(data) - offset} bytes "
                "available"
            )
        length = int.from_bytes(data[offset:start], "little")
        if length > len(data) - start:
            raise bad_request(
                f"incomplete string data for {item}, expecting string of length {length} but only {len(data) - start} "
                "bytes available"
            )
        offset = start + length
        elements.append(data[start:offset])
    if len(elements) < count:
        raise bad_request(
            f"expected {count} string elements for inference input '{tensor.name}' for model '{spec.name}', "
            f"got {len(elements)}"
        )
    return elements


def _flattened(data: list[Any]) -> list[Any]:
    flat: list[Any] = []
    pending: list[Any] = [data]
    while pending:
        item = pending.pop()
        if type(item) is not list:
            flat.append(item)
        elif list in set(map(type, item)):
            pending.extend(reversed(item))
        else:
            flat.extend(item)
    return flat


def _check_kinds(tensor: TensorSpec, elements: list[Any], kinds: set[type], expected: str) -> None:
    if set(map(type, elements)) <= kinds:
        return
    index = next(index for index, element in enumerate(elements) if type(element) not in kinds)
    raise bad_request(
        f"Unable to parse 'data' of input '{tensor.name}': element {index} should be {expected}, "
        f"got {shown(elements[index])}"
    )


def _check_range(tensor: TensorSpec, elements: list[Any], least: float, most: float) -> None:
    if not elements or (least <= min(elements) and max(elements) <= most):
        return
    index = next(index for index, element in enumerate(elements) if not least <= element <= most)
    raise bad_request(
        f"Unable to parse 'data' of input '{tensor.name}': element {index} should be a {tensor.datatype}, "
        f"{least} to {most}, got {shown(elements[index])}"
    )
