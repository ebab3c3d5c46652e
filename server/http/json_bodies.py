"""What JSON bodies say: image files in base64, and the Open Inference Protocol. Imported by the processes that read large ones."""

import base64
import json

import msgspec
import numpy as np

from server.isolation import Refusal
from server.oip.errors import InferenceError, bad_request
from server.oip.items import too_many
from server.oip.request import InferRequest, RequestedOutput, parse_request
from server.oip.spec import model_specs
from server.oip.tensors import Tensor

BASE64 = "base64"
"""The task of reading image files; that of reading an inference request is its model's name."""

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_WHITESPACE = b" \t\r\n\v\f"


class Base64Images(msgspec.Struct):
    """Images as text: base64, or data URIs such as `data:image/jpeg;base64,...`."""

    images: list[str]


class _Numbers(msgspec.Struct):
    """An array of a `dtype`, in C order."""

    dtype: str
    shape: list[int]
    data: bytes


class _Parsed(msgspec.Struct, array_like=True):
    """An `InferRequest` without arrays, as one process tells it another; `parameters` are JSON."""

    id: str | None
    outputs: list[tuple[str, bool]]
    parameters: str
    batch_size: int
    inputs: dict[str, list[bytes] | _Numbers]


def run(task: str, data: memoryview, *, max_batch_size: int) -> bytes:
    """Read a document, in a process of its own."""
    body = bytes(data)
    try:
        if task == BASE64:
            return msgspec.msgpack.encode(read_base64(body, max_batch_size))
        spec = next(spec for spec in model_specs(max_batch_size) if spec.name == task)
        return _packed(parse_request(body, None, spec))
    except InferenceError as error:
        raise Refusal(json.dumps([error.status, str(error)])) from None


def read_base64(body: bytes, max_batch_size: int) -> list[bytes]:
    """Return the files of `{"images": ["<base64>", ...]}`.

    Raises:
        InferenceError: it is not that, naming the first thing that is wrong.
    """
    expected = 'expected {"images": ["<base64>", ...]}'
    if found := too_many(body, max_batch_size, 0):
        raise InferenceError(422, f"{found} in the request; {expected} with 1 to {max_batch_size} images")
    try:
        images = msgspec.json.decode(body, type=Base64Images).images
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InferenceError(422, f"body: {error}; {expected}") from None
    check_count(len(images), max_batch_size)
    return [base64_file(text, index) for index, text in enumerate(images)]


def check_count(count: int, limit: int) -> None:
    """Check how many images a request has.

    Raises:
        InferenceError: 400, none, or too many.
    """
    if not 1 <= count <= limit:
        raise bad_request(f"{count} images in the request; expected 1 to {limit} (MAX_BATCH_SIZE)")


def _packed(parsed: InferRequest) -> bytes:
    inputs = {
        name: [bytes(element) for element in tensor]
        if isinstance(tensor, list)
        else _Numbers(tensor.dtype.str, list(tensor.shape), tensor.tobytes())
        for name, tensor in parsed.inputs.items()
    }
    outputs = [(output.name, output.binary) for output in parsed.outputs]
    return msgspec.msgpack.encode(_Parsed(parsed.id, outputs, json.dumps(parsed.parameters), parsed.batch_size, inputs))


def unpacked_files(result: memoryview) -> list[bytes]:
    """Return what `run` has read of image files."""
    return msgspec.msgpack.decode(result, type=list[bytes])


def unpacked_request(result: memoryview) -> InferRequest:
    """Return what `run` has read of an inference request."""
    parsed = msgspec.msgpack.decode(result, type=_Parsed)
    return InferRequest(
        parsed.id,
        {name: _tensor(packed) for name, packed in parsed.inputs.items()},
        tuple(RequestedOutput(name, binary) for name, binary in parsed.outputs),
        json.loads(parsed.parameters),
        parsed.batch_size,
    )


def _tensor(packed: list[bytes] | _Numbers) -> Tensor:
    if isinstance(packed, _Numbers):
        return np.frombuffer(packed.data, packed.dtype).reshape(packed.shape)
    return [*packed]


def base64_file(text: str, index: int) -> bytes:
    """Return the file of a base64 text or data URI: with line breaks, URL-safe or unpadded too.

    Raises:
        InferenceError: 400, it is neither; names it as `images[index]`.
    """
    payload = text
    if text[:5].lower() == "data:":
        head, _, payload = text.partition(",")
        if not head.lower().rstrip().endswith(";base64"):
            raise bad_request(f"images[{index}]: a data URI without base64; expected data:image/jpeg;base64,...")
    try:
        raw = payload.encode("ascii").translate(_URL_SAFE, _WHITESPACE).rstrip(b"=")
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except ValueError as error:
        raise bad_request(f"images[{index}]: not base64 ({error})") from None
