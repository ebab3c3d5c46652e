"""The EXIF orientation of an image file: how a camera was held, which viewers turn a photo by and open_clip does not."""

import struct

from PIL import Image

from server.images import jpeg, png, webp

UPRIGHT = 1
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by its orientation."""

SIDEWAYS = {TURNS[number] for number in (5, 6, 7, 8)}
"""Turns that make rows columns."""

_APP1 = 0xE1
_PREFIX = b"Exif\0\0"
_TAG = 0x0112


def orientation(data: bytes | memoryview) -> int:
    """Return 1 to 8, as EXIF counts; 1, upright, also where it is not said or cannot be read."""
    exif = _exif(data)
    try:
        return _read(exif.removeprefix(_PREFIX))
    except struct.error:  # cut off
        return UPRIGHT


def _exif(data: bytes | memoryview) -> bytes:
    start = bytes(data[:12])
    if start.startswith(png.SIGNATURE):
        found = (data[begin + 8 : end - 4] for kind, begin, end in png.chunks(data) if kind == b"eXIf")
    elif start.startswith(webp.START):
        found = (data[begin + 8 : end] for kind, begin, end in webp.chunks(data) if kind == b"EXIF")
    else:
        segments = ((marker, data[begin + 4 : end]) for marker, begin, end in jpeg.segments(data))
        found = (body for marker, body in segments if marker == _APP1 and bytes(body[:6]) == _PREFIX)
    return bytes(next(found, b""))


def _read(tiff: bytes) -> int:
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (entries,) = struct.unpack_from(order + "H", tiff, directory)
    for position in range(directory + 2, directory + 2 + 12 * entries, 12):
        tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, position)
        if tag == _TAG:
            return value if value in TURNS else UPRIGHT
    return UPRIGHT
