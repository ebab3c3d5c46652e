"""The bodies that are sent: made once, before anything is timed, from the bundled photos."""

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from bench.client import MODELS
from bench.photos import load_photos

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
    tensors = [
        _jpeg(photo.data) if kind == "jpeg" else photo.pixels.tobytes() for photo in load_photos(photos, 64).photos
    ]
    return [
        _body(kind, [tensors[(variant + row) % len(tensors)] for row in range(images)]) for variant in range(VARIANTS)
    ]


def _jpeg(file: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(file)) as image:
        image.convert("RGB").resize(JPEG_SIZE).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _body(kind: Kind, tensors: list[bytes]) -> Body:
    count = len(tensors)
    if kind == "jpeg":
        name, datatype, shape = "encoded_image", "BYTES", [count, 1]
        data = b"".join(struct.pack("<I", len(file)) + file for file in tensors)
    else:
        name, datatype, shape = "image", "UINT8", [count, 3, 224, 224]
        data = b"".join(tensors)
    document = {
        "inputs": [{"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(data)}}],
        "outputs": [{"name": "embedding", "parameters": {"binary_data": True}}],
    }
    header = json.dumps(document).encode()
    return Body(
        f"/v2/models/{MODELS['encoded' if kind == 'jpeg' else 'pixels']}/infer",
        {"Inference-Header-Content-Length": str(len(header)), "Content-Type": "application/octet-stream"},
        header + data,
        count,
    )


def embeddings(answer: bytes, header_length: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Return the embeddings FP32 `[N, 512]` of an answer."""
    return np.frombuffer(answer, np.float32, offset=header_length).reshape(-1, 512)
