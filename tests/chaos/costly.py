"""Image files that may cost more than they weigh, without end, the same for the same seed: scans, tiles, frames and layers of each kind."""

import random
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from server.images import jpeg
from tests.hostile import png_chunk, saved

MOST_BYTES = 2_000_000


@dataclass(frozen=True)
class Costly:
    """A file of a `kind`, made with `choices`, of so many `pixels`."""

    kind: str
    choices: dict[str, object]
    pixels: int
    data: bytes


def costly_files(seed: int, max_pixels: int) -> Iterator[Costly]:
    """Yield files of at most `max_pixels` pixels."""
    chance = random.Random(seed)  # not for secrets
    while True:
        width = int(2 ** chance.uniform(0, 15))
        height = min(int(2 ** chance.uniform(0, 15)), max(1, max_pixels // width))
        kind, make = chance.choice(list(KINDS.items()))
        try:
            choices, data = make(chance, width, height)
        except OSError:  # libjpeg cannot write every combination
            continue
        yield Costly(kind, {"size": f"{width}x{height}", **choices}, width * height, data[:MOST_BYTES])


Made = tuple[dict[str, object], bytes]


def _picture(chance: random.Random, width: int, height: int, mode: str) -> Image.Image:
    if chance.random() < 0.5:
        return Image.new(mode, (width, height))
    return Image.effect_noise((width, height), chance.choice((1, 30, 100))).convert(mode)


def _jpeg(chance: random.Random, width: int, height: int) -> Made:
    mode = chance.choice(("L", "RGB", "CMYK"))
    options: dict[str, object] = {
        "progressive": chance.random() < 0.8,
        "quality": chance.choice((1, 50, 95)),
        "subsampling": chance.choice((0, 1, 2)),
        "restart_marker_blocks": chance.choice((0, 0, 1, 100)),
    }
    data = saved(_picture(chance, width, height, mode), "JPEG", **options)
    scans = [found.start() for found in re.finditer(b"\xff\xda", data)]
    first = chance.choice(scans)
    end = next((place for place in scans if place > first), len(data) - 2)
    repeats = chance.choice((0, 5, 39, 40, 45, 49, 1000))
    between = chance.choice((b"", b"\xff\xfe\0\2" * 10, b"\xff\xfe\0\4" + jpeg.END, b"\xff" * 50))
    data = data[:end] + (between + data[first:end]) * repeats + data[end:]
    return {"mode": mode, **options, "scan": scans.index(first), "repeats": repeats, "between": len(between)}, data


def _png(chance: random.Random, width: int, height: int) -> Made:
    depth, colours, channels = chance.choice(((1, 0, 1), (8, 0, 1), (16, 0, 1), (8, 2, 3), (8, 6, 4), (16, 6, 4)))
    interlaced = chance.random() < 0.5
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    packer, parts, filters = zlib.compressobj(chance.choice((1, 9))), [], chance.choice((b"\0", b"\4"))
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            parts.append(packer.compress((filters + bytes((columns * depth * channels + 7) // 8)) * rows))
    packed = b"".join([*parts, packer.flush()])
    tile = chance.choice((1, 7, 1000, len(packed)))
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)
    tiles = [png_chunk(b"IDAT", packed[place : place + tile]) for place in range(0, len(packed), tile)]
    layers = [png_chunk(b"fdAT", bytes(8))] * chance.choice((0, 0, 10_000))
    data = b"".join([b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", header), *layers, *tiles, png_chunk(b"IEND", b"")])
    return {"depth": depth, "channels": channels, "interlaced": interlaced, "tile": tile, "layers": len(layers)}, data


def _webp(chance: random.Random, width: int, height: int) -> Made:
    width, height = min(width, 16_383), min(height, 16_383)
    options: dict[str, object] = {"lossless": chance.random() < 0.5, "method": chance.choice((0, 2))}
    frames = chance.choice((1, 1, 3, 20)) if width * height < 100_000 else 1
    mode = chance.choice(("RGB", "RGBA"))
    pictures = [_picture(chance, width, height, mode) for _ in range(frames)]
    if frames > 1:
        options |= {"save_all": True, "append_images": pictures[1:]}
    data = saved(pictures[0], "WEBP", **options)
    layers = struct.pack("<4sI", b"ABCD", 0) * chance.choice((0, 0, 10_000))
    data = data[:4] + struct.pack("<I", len(data) + len(layers) - 8) + data[8:] + layers
    return {"mode": mode, "lossless": options["lossless"], "frames": frames, "layers": len(layers) // 8}, data


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
"""Where each pass begins and how far it steps, across and down (PNG specification, section 8.2)."""

KINDS = {"JPEG": _jpeg, "PNG": _png, "WebP": _webp}
