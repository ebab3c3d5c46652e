"""Requests to build upon: the project's two models with a limit of 8, and a model of every datatype."""

import json
from typing import Any

from server.oip.datatypes import NUMERIC
from server.oip.model import ModelSpec, TensorSpec
from server.oip.spec import model_specs

PIXELS, ENCODED = model_specs(8)
IMAGE_BYTES = 3 * 224 * 224


def any_model(datatype: str, inner: tuple[int, ...] = (-1,)) -> ModelSpec:
    """A model with one input `x` of `datatype` `[-1, *inner]`, and an output `y` of the same where it can be one."""
    output = datatype if datatype in NUMERIC else "FP32"
    inputs, outputs = (TensorSpec("x", datatype, (-1, *inner)),), (TensorSpec("y", output, (-1, *inner)),)
    return ModelSpec("any", ("1", "2"), "pytorch", inputs, outputs, 8)


def message(document: Any, binary: bytes = b"") -> tuple[bytes, int]:
    """A body with the JSON in front of the binary data, and the length of the JSON."""
    header = document if isinstance(document, bytes) else json.dumps(document).encode()
    return header + binary, len(header)


def image_input(**changes: Any) -> dict[str, Any]:
    """The pixel model's input with one image as binary data; `...` removes a member."""
    item = {
        "name": "image",
        "datatype": "UINT8",
        "shape": [1, 3, 224, 224],
        "parameters": {"binary_data_size": IMAGE_BYTES},
    }
    return {key: value for key, value in (item | changes).items() if value is not ...}


def file_input(count: int, **changes: Any) -> dict[str, Any]:
    """The encoded model's input; the data is up to `changes`."""
    return {"name": "encoded_image", "datatype": "BYTES", "shape": [count, 1]} | changes


def elements(*values: bytes) -> bytes:
    """BYTES elements in binary form."""
    return b"".join(len(value).to_bytes(4, "little") + value for value in values)
