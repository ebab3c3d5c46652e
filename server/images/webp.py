"""The header and the chunks of a WebP file."""

from collections.abc import Iterator

START = b"RIFF"
KIND = b"WEBP"


def chunks(data: bytes | memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, begin and end of each whole chunk, without the byte that makes its length even."""
    position = 12
    while position + 8 <= len(data):
        end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        if end > len(data):
            return
        yield bytes(data[position : position + 4]), position, end
        position = end + end % 2


def canvas(data: bytes | memoryview) -> tuple[int, int]:
    """Return width and height; zeros where the header is damaged, which the decoder then says."""
    chunk, header = bytes(data[12:16]), bytes(data[20:30])
    if len(header) < 10:
        return 0, 0
    if chunk == b"VP8X":
        return int.from_bytes(header[4:7], "little") + 1, int.from_bytes(header[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(header[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(header[6:8], "little") & 0x3FFF, int.from_bytes(header[8:10], "little") & 0x3FFF
