"""What a JPEG file's segments say, before anything is decoded: what it is, who may decode it, and what of it is not used."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from server.images.errors import ImageError

SHORTEST_SIDE = 224
"""Smaller images gain nothing on the GPU, lose most by its plain chroma upsampling, and tiny ones come out wrong."""

MOST_PIXELS = 24_000_000
"""Larger ones would take more GPU memory for a moment than everything else together."""

START = b"\xff\xd8"
END = b"\xff\xd9"

MOST_SEGMENTS = 10_000
"""Before the first scan; 100 times what the largest colour profile and thumbnail take. Reading them is slow, and holds the others up."""

MOST_SCANS = 50
"""Five times what encoders make. Each goes over all blocks of the image, 0.07 s of 100 megapixels, for 250 bytes of file."""

_MARKER = re.compile(rb"(?<=\xff)[^\x00\xff]", re.DOTALL)
"""What follows fill bytes and, as libjpeg reads it, anything else that is no marker."""

_BETWEEN_SCANS = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
"""What is neither a coded FF nor a restart marker."""

_BASELINE = 0xC0
_LOSSLESS = 0xC3
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_LS_FRAME = 0xF7
_NOT_DECODED = {
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical JPEG"),
    0xCB: "lossless JPEG with arithmetic coding",
    _LS_FRAME: "JPEG-LS",
}
_SCAN = 0xDA
_END = 0xD9
_STAND_ALONE = {0x01, *range(0xD0, 0xD8)}
_ADOBE = 0xEE
_UNUSED = {*range(0xE1, 0xF0), 0xFE} - {_ADOBE}
"""Application segments and comments. JFIF's and Adobe's tell the colours."""

ZEROS_OF_A_SCAN = 4
"""Bytes of zeros in the codes of blocks without colour: the usual tables give two at most, ones made for a flat photo more."""

LOOKAHEAD = (bytes(8), b"\x55" * 8)
"""Bytes that libjpeg wants to see behind the last pixel. What is complete decodes to the same with either."""


@dataclass(frozen=True)
class Frame:
    """The header of an image: its `marker`, bits a sample, size and number of components."""

    marker: int
    bits: int
    width: int
    height: int
    components: int

    @property
    def unsupported(self) -> str | None:
        """What it is that cannot be decoded, or None."""
        if kind := _NOT_DECODED.get(self.marker):
            return kind
        if self.bits != 8:
            return f"{self.bits}-bit{' lossless' if self.marker == _LOSSLESS else ''} JPEG"
        return None if self.components in (1, 3, 4) else f"JPEG of {self.components} components"

    @property
    def reducible(self) -> bool:
        """Whether libjpeg decodes it at a reduced size."""
        return self.marker != _LOSSLESS


def segments(data: bytes | memoryview) -> Iterator[tuple[int, int, int]]:
    """Yield marker, begin and end of each segment, up to the first scan or to what is none."""
    position = len(START)
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(data, position + 1)
        if found is None:
            return
        marker, begin = data[found.start()], found.start() - 1
        if marker in _STAND_ALONE:
            position = found.end()
            continue
        position = begin + 2 + int.from_bytes(data[begin + 2 : begin + 4], "big")
        if not begin + 4 <= position <= len(data):
            return
        yield marker, begin, position
        if marker == _SCAN:
            return


def frame(data: bytes | memoryview) -> Frame | None:
    """Return the frame header of a JPEG file, or None where it is damaged."""
    for marker, begin, end in segments(data):
        if (marker in _FRAMES or marker == _LS_FRAME) and end - begin >= 10:
            bits, height, width, components = struct.unpack(">BHHB", data[begin + 4 : begin + 10])
            return Frame(marker, bits, width, height, components)
    return None


def has_too_many_scans(data: bytes | memoryview) -> bool:
    """Tell whether the image has more scans than `MOST_SCANS`, or more segments between them than `MOST_SEGMENTS`."""
    values = np.frombuffer(data, np.uint8)  # 20 times as fast as `bytes.count`
    found = np.count_nonzero((values[:-1] == 0xFF) & (values[1:] == _SCAN))
    return bool(found > MOST_SCANS) and _scans_end_late(data)


def _scans_end_late(data: bytes | memoryview) -> bool:
    """Tell the same by following the segments: what looks like a scan may lie in one of them, or behind the image."""
    position = next((end for marker, _, end in segments(data) if marker == _SCAN), len(data))
    scans = 1
    for _ in range(MOST_SEGMENTS):
        found = _BETWEEN_SCANS.search(data, position)
        if found is None or data[found.start() + 1] == _END:
            return False
        scans += data[found.start() + 1] == _SCAN
        if scans > MOST_SCANS:
            return True
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return True


def without_metadata(data: bytes | memoryview) -> bytes:
    """Return the file without what changes no pixel, so that its faults and its size change nothing either.

    Raises:
        ImageError: it has no image.
    """
    kept, position, marker = [], 0, 0
    for marker, begin, end in segments(data):
        if marker in _UNUSED:
            kept.append(data[position:begin])
            position = end
    if marker != _SCAN:
        raise ImageError("damaged JPEG file: its segments end before an image begins")
    return b"".join([*kept, data[position:]])


def completions(data: bytes) -> list[bytes]:
    """Return the file, or when it has no end marker the files that must decode alike for it to lack nothing else.

    More zeros at its end than a scan may end with are what a broken copy was filled up with.
    """
    if data.rfind(END) >= 0:
        return [data]
    scanned = data[: len(data.rstrip(b"\0")) + ZEROS_OF_A_SCAN]
    if scanned.endswith(b"\xff"):  # FF 00 is a coded FF
        scanned += b"\0"
    return [scanned + filler for filler in LOOKAHEAD]


def gpu_decodable(data: bytes | memoryview) -> tuple[int, int] | None:
    """Return width and height when `data` is a JPEG that nvJPEG decodes as libjpeg does, else None.

    That is: baseline (progressive ones are faster on the CPU's cores), 8 bits, grey or YCbCr, complete to its end marker,
    of moderate size and few scans.
    """
    if bytes(data[:2]) != START or bytes(data[-2:]) != END or has_too_many_scans(data):
        return None
    for marker, begin, end in segments(data):
        segment = data[begin + 4 : end]
        if marker == _BASELINE:
            return _size_for_gpu(segment)
        if marker in _FRAMES or _is_rgb(marker, segment):
            return None
    return None


def _is_rgb(marker: int, segment: bytes | memoryview) -> bool:
    """Tell whether an Adobe segment says that the colours are not YCbCr."""
    return marker == _ADOBE and bytes(segment[:5]) == b"Adobe" and (len(segment) < 12 or segment[11] != 1)


def _size_for_gpu(segment: bytes | memoryview) -> tuple[int, int] | None:
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
