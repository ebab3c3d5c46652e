"""What a worker and an engine tell each other. Images and embeddings stay in the arena; messages hold offsets into it.

A message is one packet of a local `SOCK_SEQPACKET` socket: it arrives whole or not at all, and the end of a process is
seen as the end of its sockets.
"""

import socket
from typing import Literal

import msgspec

MAX_PACKET = 1 << 17
"""Bytes; the largest message, 1024 files, is a sixth of it."""


class EmbedPixels(msgspec.Struct, tag="pixels", array_like=True):
    """Embed `count` images of UINT8 [3, 224, 224] that follow each other from `offset`.

    The embeddings, FP32 [count, 512], go to `result`. `id` is the worker's own number of the request.
    """

    id: int
    count: int
    offset: int
    result: int


class EmbedFiles(msgspec.Struct, tag="files", array_like=True):
    """Embed the JPEG files at `offsets` with `lengths` in bytes and `pixels` = width times height; the rest as above."""

    id: int
    offsets: list[int]
    lengths: list[int]
    pixels: list[int]
    result: int


class Cancel(msgspec.Struct, tag="cancel", array_like=True):
    """Nobody waits for request `id` any more. It is still answered with `Done`."""

    id: int


class Loaded(msgspec.Struct, tag="loaded", array_like=True):
    """The engine takes requests: its arithmetic, and where it wants JPEG files decoded."""

    precision: Literal["fp16", "bf16", "tf32", "fp32"]
    decode: Literal["gpu", "cpu"]


class Done(msgspec.Struct, tag="done", array_like=True):
    """Request `id` needs its memory no more.

    Attributes:
        error: why there are no embeddings, or None.
        refused: positions of the files that the engine could not decode; their embeddings are undefined.
        queue_ns, input_ns, infer_ns, output_ns: as in Triton's statistics extension.
    """

    id: int
    error: str | None
    refused: list[int]
    queue_ns: int
    input_ns: int
    infer_ns: int
    output_ns: int


ToEngine = EmbedPixels | EmbedFiles | Cancel
Reply = Loaded | Done

_encoder = msgspec.msgpack.Encoder()
_requests: "msgspec.msgpack.Decoder[ToEngine]" = msgspec.msgpack.Decoder(ToEngine)
_replies: "msgspec.msgpack.Decoder[Reply]" = msgspec.msgpack.Decoder(Reply)


def pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends of a new channel: one for a worker, one for an engine."""
    return socket.socketpair(type=socket.SOCK_SEQPACKET)


def encode(message: ToEngine | Reply) -> bytes:
    """Return the packet of a message."""
    return _encoder.encode(message)


def decode_request(packet: bytes) -> ToEngine:
    """Return the message of a packet that a worker sent."""
    return _requests.decode(packet)


def decode_reply(packet: bytes) -> Reply:
    """Return the message of a packet that an engine sent."""
    return _replies.decode(packet)
