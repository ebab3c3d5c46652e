"""The chunks of a PNG file."""

from collections.abc import Iterator

from server.images.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 1_000_000
_ANCILLARY = 0x20


def chunks(data: bytes | memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, begin and end of each whole chunk, checksum included."""
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            return
        yield bytes(data[position + 4 : position + 8]), position, end
        position = end


def without_metadata(data: bytes | memoryview) -> bytes:
    """Return the file without its ancillary chunks: no pixel needs them, and their faults and sizes change nothing.

    Raises:
        ImageError: it has more chunks than 256 bytes an IDAT would make of a large image; reading on would hold others up.
    """
    kept, position = [], 0
    for count, (kind, begin, end) in enumerate(chunks(data)):
        if count == MOST_CHUNKS:
            raise ImageError(f"damaged PNG file: more than {MOST_CHUNKS} chunks")
        if kind[0] & _ANCILLARY:
            kept.append(data[position:begin])
            position = end
    return b"".join([*kept, data[position:]])
