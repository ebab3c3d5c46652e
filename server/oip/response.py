"""From output tensors to the body of the answer."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from server.oip.datatypes import NUMERIC
from server.oip.errors import InferenceError
from server.oip.model import ModelSpec, TensorSpec
from server.oip.request import InferRequest
from server.oip.tensors import Numbers


@dataclass(frozen=True)
class EncodedResponse:
    """An answer ready to be sent.

    Attributes:
        chunks: the body's parts in order; the binary ones are views of the output arrays.
        content_type: of the body.
        header_length: bytes of JSON in front, for `Inference-Header-Content-Length`; None when the body is all JSON.
    """

    chunks: list[bytes | memoryview]
    content_type: str
    header_length: int | None


def encode_response(spec: ModelSpec, request: InferRequest, outputs: dict[str, Numbers]) -> EncodedResponse:
    """Encode the outputs that a request asks for.

    Args:
        spec: the model that ran.
        request: what was asked.
        outputs: by name, `[request.batch_size, ...]`; those not asked for are left out.

    Raises:
        InferenceError: 500; the model gave other outputs than its specification says, or a NaN or infinity to be sent
            as JSON, which has neither.
    """
    tensors = {tensor.name: tensor for tensor in spec.outputs}
    described: list[dict[str, Any]] = []
    binary: list[memoryview] = []
    for wanted in request.outputs:
        tensor = tensors[wanted.name]
        array = _checked(spec, tensor, request.batch_size, outputs.get(tensor.name))
        entry: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(array.shape)}
        if wanted.binary:
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            entry["parameters"] = {"binary_data_size": len(data)}
            binary.append(data)
        else:
            if not np.isfinite(array).all():
                raise _broken(spec, tensor, "has NaN or infinite elements, which JSON cannot hold")
            entry["data"] = array.ravel().tolist()
        described.append(entry)
    document: dict[str, Any] = {"id": request.id} if request.id else {}
    document |= {"model_name": spec.name, "model_version": spec.versions[-1], "outputs": described}
    header = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    if not binary:
        return EncodedResponse([header], "application/json", None)
    return EncodedResponse([header, *binary], "application/octet-stream", len(header))


def _checked(spec: ModelSpec, tensor: TensorSpec, batch_size: int, array: Numbers | None) -> Numbers:
    expected = (batch_size, *tensor.shape[1:])
    if array is None:
        raise _broken(spec, tensor, "is missing")
    if len(array.shape) != len(expected) or any(
        want not in (-1, size) for want, size in zip(expected, array.shape, strict=True)
    ):
        raise _broken(spec, tensor, f"has shape {list(array.shape)}, expected {list(expected)}")
    if array.dtype != NUMERIC[tensor.datatype]:
        raise _broken(spec, tensor, f"has datatype {array.dtype}, expected {tensor.datatype}")
    return array


def _broken(spec: ModelSpec, tensor: TensorSpec, what: str) -> InferenceError:
    return InferenceError(500, f"output '{tensor.name}' of model '{spec.name}' {what}")
