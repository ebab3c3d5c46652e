"""The bodies that are sent: made once, before anything is timed, from the bundled photos."""

import io
import json
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from bench.client.bodies import MODELS
from bench.photos import load_photos
from server.keys import bearer, configured_keys

Kind = Literal["jpeg", "pixels"]

JPEG_SIZE = (640, 480)
JPEG_QUALITY = 90
VARIANTS = 4
"""Different bodies that a connection sends in turn."""


@dataclass(frozen=True)
class Body:
    """One request, ready to be sent: `images` of them, for the model of `path`."""

    path: str
    headers: dict[str, str]
    data: bytes
    images: int


def bodies(photos: Path, kind: Kind, images: int) -> list[Body]:
    """Return requests of `images` photos each, as 640x480 JPEG files or as UINT8 pixels.

    Raises:
        BenchError: the photos cannot be read.
    """
    found = load_photos(photos, 64).photos
    tensors = [_jpeg(photo.data) if kind == "jpeg" else photo.pixels.tobytes() for photo in found]
    make = body_of_files if kind == "jpeg" else body_of_pixels
    return [make([tensors[(variant + row) % len(tensors)] for row in range(images)]) for variant in range(VARIANTS)]


def _jpeg(file: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(file)) as image:
        image.convert("RGB").resize(JPEG_SIZE).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def body_of_files(files: list[bytes]) -> Body:
    """Return the request for the embeddings of image files."""
    data = b"".join(struct.pack("<I", len(file)) + file for file in files)
    tensor = {"name": "encoded_image", "datatype": "BYTES", "shape": [len(files), 1]}
    return _body(MODELS["encoded"], tensor, data, len(files))


def body_of_pixels(pixels: list[bytes]) -> Body:
    """Return the request for the embeddings of images UINT8 `[3, 224, 224]`, in C order."""
    tensor = {"name": "image", "datatype": "UINT8", "shape": [len(pixels), 3, 224, 224]}
    return _body(MODELS["pixels"], tensor, b"".join(pixels), len(pixels))


def _body(model: str, tensor: dict[str, Any], data: bytes, images: int) -> Body:
    document = {
        "inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}],
        "outputs": [{"name": "embedding", "parameters": {"binary_data": True}}],
    }
    header = json.dumps(document).encode()
    headers = {"Inference-Header-Content-Length": str(len(header)), "Content-Type": "application/octet-stream"}
    return Body(f"/v2/models/{model}/infer", headers | _access(), header + data, images)


@cache
def _access() -> dict[str, str]:
    """Return the header with the key. Read once: a soak makes a body for every request."""
    return bearer(configured_keys())


def embeddings(answer: bytes, header_length: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Return the embeddings FP32 `[N, 512]` of an answer."""
    return np.frombuffer(answer, np.float32, offset=header_length).reshape(-1, 512)
