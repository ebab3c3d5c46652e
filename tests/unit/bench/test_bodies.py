import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tritonclient.grpc import service_pb2

from bench.client.bodies import Body, make_body, stampable
from bench.photos import Photo, load_photos
from bench.scenarios import Input, Transport
from server.oip.request import parse_request
from server.oip.spec import model_specs

PHOTOS = load_photos(Path(__file__).parents[3] / "photos", 4).photos
SPECS = {spec.name: spec for spec in model_specs(8)}


def images(body: Body, transport: Transport) -> list[bytes]:
    """Read a request as the servers do, and return its images."""
    if transport == "http":
        parsed = parse_request(memoryview(bytes(body.data)), str(body.header_length), SPECS[body.model])
        return [row if isinstance(row, bytes) else bytes(row) for row in next(iter(parsed.inputs.values()))]
    message = service_pb2.ModelInferRequest.FromString(bytes(body.data))
    assert message.model_name == body.model
    (raw,), (tensor,) = message.raw_input_contents, message.inputs
    assert [output.name for output in message.outputs] == ["embedding"]
    if tensor.datatype == "UINT8":
        size = len(raw) // tensor.shape[0]
        return [raw[i * size : (i + 1) * size] for i in range(tensor.shape[0])]
    found, position = [], 0
    while position < len(raw):
        length = int.from_bytes(raw[position : position + 4], "little")
        found.append(raw[position + 4 : position + 4 + length])
        position += 4 + length
    return found


@pytest.mark.parametrize("transport", ["http", "grpc"])
@pytest.mark.parametrize("kind", ["encoded", "pixels"])
def test_every_image_differs_from_every_other_and_shows_the_same(kind: Input, transport: Transport) -> None:
    body = make_body(kind, transport, PHOTOS)
    seen: set[bytes] = set()
    for turn in range(20):
        body.stamp(turn * len(PHOTOS))
        found = images(body, transport)
        assert len(found) == len(PHOTOS)
        seen.update(found)
        for data, photo in zip(found, PHOTOS, strict=True):
            if kind == "encoded":
                assert np.array_equal(decoded(data), decoded(photo.data))
            else:
                pixels = np.frombuffer(data, np.uint8)
                assert np.array_equal(pixels[3:], photo.pixels.ravel()[3:])
    assert len(seen) == 20 * len(PHOTOS)


def test_http_and_grpc_carry_the_same_bytes() -> None:
    bodies = {transport: make_body("encoded", transport, PHOTOS) for transport in ("http", "grpc")}  # type: ignore[arg-type]
    for body in bodies.values():
        body.stamp(77)
    assert images(bodies["http"], "http") == images(bodies["grpc"], "grpc")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_file_with_a_number_shows_the_same_image(form: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)).save(buffer, form)
    file, at = stampable(buffer.getvalue())
    stamped = file[:at] + b"\xff\xd9\x00\xff\xd8\x12\x34\x56" + file[at + 8 :]
    assert np.array_equal(decoded(stamped), decoded(buffer.getvalue()))


@given(serial=st.integers(0, 2**50), batch=st.integers(1, 4))
def test_pixels_of_consecutive_numbers_differ(serial: int, batch: int) -> None:
    photo = Photo("p", b"", np.zeros((3, 224, 224), np.uint8))
    body = make_body("pixels", "http", [photo] * batch)
    stamps = set()
    for turn in range(8):
        body.stamp(serial + turn * batch)
        stamps.update(bytes(np.frombuffer(body.data, np.uint8)[row]) for row in body.stamps)
    assert len(stamps) == 8 * batch


def test_the_json_before_an_http_body_asks_for_binary_embeddings() -> None:
    body = make_body("pixels", "http", PHOTOS[:2])
    document = json.loads(body.data[: body.header_length])
    assert document["outputs"] == [{"name": "embedding", "parameters": {"binary_data": True}}]
    assert document["inputs"][0]["shape"] == [2, 3, 224, 224]


def decoded(file: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image.convert("RGB"))
