"""The requests that are sent: serialised before anything is timed, by the protocol's own client library.

Every request differs from every other one in its bytes, so that no cache can answer it: a serial number is written into
each image, in a comment of a JPEG file, behind the end of a PNG or WebP file, in the first three bytes of pixels (the red
of the upper left corner, which moves an embedding by less than FP16 does). All backends get the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from bench.photos import Photo
from bench.scenarios import Input, Transport

MODELS: dict[Input, str] = {"encoded": "openclip_vit_b32_encoded", "pixels": "openclip_vit_b32"}
OUTPUT = "embedding"
JPEG_START = b"\xff\xd8"
COMMENT = b"\xff\xfe\x00\x0a"  # a JPEG comment of 8 bytes
ODD = 0x9E3779B97F4A7C15
"""Multiplying by it spreads consecutive serial numbers over all bits (Knuth, The Art of Computer Programming 3, 6.4)."""


@dataclass
class Body:
    """One request.

    Attributes:
        model: that it is for.
        batch: images in it.
        data: the HTTP body or the serialised gRPC message, changed in place by `stamp`.
        header_length: bytes of JSON at the start of an HTTP body; 0 with gRPC.
        stamps: positions in `data` of the serial numbers, INT64 `[batch, bytes of one]`.
    """

    model: str
    batch: int
    data: bytearray
    header_length: int
    stamps: npt.NDArray[np.int64]

    def stamp(self, serial: int) -> None:
        """Write serial numbers from `serial` on into the images."""
        numbers = np.arange(serial, serial + self.batch, dtype=np.uint64) * np.uint64(ODD)
        width = self.stamps.shape[1]
        np.frombuffer(self.data, np.uint8)[self.stamps] = numbers.view(np.uint8).reshape(self.batch, 8)[:, -width:]


def make_body(kind: Input, transport: Transport, photos: Sequence[Photo]) -> Body:
    """Return the request for the embeddings of `photos`, in their order."""
    if kind == "pixels":
        tensor = np.stack([photo.pixels for photo in photos])
        infer_input = InferInput("image", list(tensor.shape), "UINT8")
        size = tensor[0].nbytes
        offsets = np.arange(len(photos))[:, None] * size + np.arange(3)
    else:
        files = [stampable(photo.data) for photo in photos]
        tensor = np.array([[data] for data, _ in files], dtype=np.object_)
        infer_input = InferInput("encoded_image", list(tensor.shape), "BYTES")
        starts = np.cumsum([0, *(4 + len(data) for data, _ in files[:-1])]) + 4  # each follows its length in 4 bytes
        offsets = np.array([start + at for start, (_, at) in zip(starts, files, strict=True)])[:, None] + np.arange(8)
    infer_input.set_data_from_numpy(tensor, binary_data=True)
    return (
        _http(MODELS[kind], infer_input, offsets) if transport == "http" else _grpc(MODELS[kind], infer_input, offsets)
    )


def stampable(file: bytes) -> tuple[bytes, int]:
    """Return an image file with room for 8 bytes that do not change the image, and where they are."""
    if file.startswith(JPEG_START):
        at = len(JPEG_START) + len(COMMENT)
        return JPEG_START + COMMENT + bytes(8) + file[len(JPEG_START) :], at
    return file + bytes(8), len(file)


def _http(model: str, tensor: InferInput, offsets: npt.NDArray[np.int64]) -> Body:
    outputs = [InferRequestedOutput(OUTPUT, binary_data=True)]
    data, header_length = InferenceServerClient.generate_request_body([tensor], outputs=outputs)
    return Body(model, len(offsets), bytearray(data), header_length, offsets + header_length)


def _grpc(model: str, tensor: InferInput, offsets: npt.NDArray[np.int64]) -> Body:
    raw = tensor._get_binary_data()  # the one accessor the library has for it
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[raw])
    request.inputs.add(name=tensor.name(), datatype=tensor.datatype(), shape=tensor.shape())
    request.outputs.add(name=OUTPUT)
    data = bytearray(request.SerializeToString())
    start = len(data) - len(raw)  # the highest field number, so it comes last
    if data[start:] != raw:
        raise AssertionError("the message does not end with its tensor")
    return Body(model, len(offsets), data, 0, offsets + start)
