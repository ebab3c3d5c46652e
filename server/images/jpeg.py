"""Which JPEG files a GPU's decoder may be given; whatever else there is, Pillow decodes and judges."""

import struct

SHORTEST_SIDE = 224
"""Smaller images gain nothing on the GPU, lose most by its plain chroma upsampling, and tiny ones come out wrong."""

MOST_PIXELS = 24_000_000
"""Larger ones would take more GPU memory for a moment than everything else together."""

_BASELINE = 0xC0
_OTHER_FRAMES = {*range(0xC1, 0xD0)} - {0xC4, 0xC8, 0xCC}
_STAND_ALONE = {0x01, *range(0xD0, 0xD8)}
_ADOBE = 0xEE
_END = b"\xff\xd9"


def gpu_decodable(data: bytes | memoryview) -> tuple[int, int] | None:
    """Return width and height when `data` is a JPEG that nvJPEG decodes as libjpeg does, else None.

    That is: baseline (progressive ones are faster on the CPU's cores), 8 bits, grey or YCbCr, complete to its end marker,
    of moderate size.
    """
    if bytes(data[:2]) != b"\xff\xd8" or bytes(data[-2:]) != _END:
        return None
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _STAND_ALONE:
            position += 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position + 4 : position + 2 + length]
        if marker == _BASELINE:
            return _frame(segment)
        if marker in _OTHER_FRAMES or length < 2 or _is_rgb(marker, segment):
            return None
        position += 2 + length
    return None


def _is_rgb(marker: int, segment: bytes | memoryview) -> bool:
    """Tell whether an Adobe segment says that the colours are not YCbCr."""
    return marker == _ADOBE and bytes(segment[:5]) == b"Adobe" and (len(segment) < 12 or segment[11] != 1)


def _frame(segment: bytes | memoryview) -> tuple[int, int] | None:
    if len(segment) < 6:
        return None
    bits, height, width, components = struct.unpack(">BHHB", segment[:6])
    if bits != 8 or components not in (1, 3) or len(segment) < 6 + 3 * components:
        return None
    if components == 3 and bytes(segment[6:15:3]) == b"RGB":
        return None
    if min(width, height) < SHORTEST_SIDE or width * height > MOST_PIXELS:
        return None
    return width, height
