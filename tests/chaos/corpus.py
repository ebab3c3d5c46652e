"""Damaged inputs without end, the same for the same seed."""

import io
import random
import struct
from collections.abc import Callable, Iterator

from PIL import Image

from bench.server.requests import body_of_files, body_of_pixels

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def image_seeds() -> list[bytes]:
    """Return small whole files of every kind that is served, and of some that are not."""
    picture = Image.effect_noise((64, 48), 60).convert("RGB")
    lying = Image.Exif()
    lying[0x0112] = 6
    kinds: list[tuple[Image.Image, str, dict[str, object]]] = [
        (picture, "JPEG", {"quality": 80}),
        (picture, "JPEG", {"quality": 80, "exif": lying}),
        (picture, "JPEG", {"quality": 80, "progressive": True}),
        (picture, "JPEG", {"quality": 80, "restart_marker_blocks": 2}),
        (picture.convert("L"), "JPEG", {}),
        (picture.convert("CMYK"), "JPEG", {}),
        (picture, "PNG", {}),
        (picture.convert("P"), "PNG", {}),
        (picture.convert("LA"), "PNG", {}),
        (picture.convert("L").convert("I;16"), "PNG", {}),
        (picture, "WEBP", {"quality": 70}),
        (picture, "WEBP", {"lossless": True}),
        (picture, "GIF", {}),
        (picture, "TIFF", {}),
        (picture, "BMP", {}),
    ]
    return [_saved(image, kind, options) for image, kind, options in kinds]


def _saved(image: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def body_seeds() -> list[tuple[bytes, str | None]]:
    """Return whole request bodies and the length of their JSON part."""
    bodies = [body_of_files(image_seeds()[:2]), body_of_pixels([bytes(3 * 224 * 224)])]
    found: list[tuple[bytes, str | None]] = [
        (bytes(body.data), body.headers.get("Inference-Header-Content-Length")) for body in bodies
    ]
    found.append((b'{"inputs":[{"name":"encoded_image","datatype":"BYTES","shape":[1,1],"data":["eA=="]}]}', None))
    found.append((b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,3,224,224],"data":[1,2,[3]]}]}', None))
    return found


def mutations(seeds: list[bytes], seed: int, head: int | None = None) -> Iterator[bytes]:
    """Yield damaged copies of `seeds` for ever; damage falls into the first `head` bytes if that is given."""
    chance = random.Random(seed)  # not for secrets
    while True:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            chance.choice(KINDS)(data, chance, head or len(data))
        yield bytes(data)


def _place(data: bytearray, chance: random.Random, head: int) -> int:
    return chance.randrange(max(1, min(len(data), head)))


def _flip(data: bytearray, chance: random.Random, head: int) -> None:
    if data:
        data[_place(data, chance, head)] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: random.Random, head: int) -> None:
    if data:
        data[_place(data, chance, head)] = chance.choice(INTERESTING)


def _number(data: bytearray, chance: random.Random, head: int) -> None:
    place = _place(data, chance, head)
    value = chance.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, chance.getrandbits(32)))
    data[place : place + 4] = struct.pack(chance.choice("<>") + "I", value)


def _cut(data: bytearray, chance: random.Random, head: int) -> None:
    del data[_place(data, chance, len(data)) :]


def _remove(data: bytearray, chance: random.Random, head: int) -> None:
    place = _place(data, chance, head)
    del data[place : place + chance.randrange(1, 64)]


def _repeat(data: bytearray, chance: random.Random, head: int) -> None:
    place = _place(data, chance, head)
    data[place:place] = data[place : place + chance.randrange(1, 256)] * chance.randrange(1, 8)


def _garbage(data: bytearray, chance: random.Random, head: int) -> None:
    place = _place(data, chance, head)
    data[place:place] = chance.randbytes(chance.randrange(1, 64))


KINDS: tuple[Callable[[bytearray, random.Random, int], None], ...] = (
    _flip, _flip, _set, _set, _number, _cut, _remove, _repeat, _garbage,
)  # fmt: skip
