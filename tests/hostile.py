"""Image files that are small and cost much: made here, as a stranger would make them."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

from server.images import jpeg


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def repeated_scan(side: int, times: int) -> bytes:
    """Return a progressive JPEG whose last scan comes `times` times more."""
    data = saved(Image.new("RGB", (side, side), "grey"), "JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:-2] + data[last:-2] * times + jpeg.END


def png_of_nothing(width: int, height: int, colours: int = 6) -> bytes:
    """Return a PNG of zeros, RGBA (6) or grey (0) of 8 bits, packed 1000 to 1."""
    packer = zlib.compressobj(1)
    line = bytes(1 + width * {0: 1, 6: 4}[colours])
    packed = b"".join([*(packer.compress(line) for _ in range(height)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(png_chunk, (b"IHDR", b"IDAT", b"IEND"), (header, packed, b"")))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file, with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def webp_of_nothing(side: int) -> bytes:
    """Return a lossless WebP of one colour: 34 bytes, whatever its size."""
    return saved(Image.new("RGBA", (side, side)), "WEBP", lossless=True, method=0)
