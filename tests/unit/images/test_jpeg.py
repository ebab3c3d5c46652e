"""Only files that a GPU decodes as libjpeg does are given to it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from server.images.bundled import bundled_photos
from server.images.jpeg import gpu_decodable


def jpeg(mode: str = "RGB", size: tuple[int, int] = (640, 480), **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("photo", bundled_photos(), ids=lambda photo: photo.stem)
def test_ordinary_photos_go_to_the_gpu(photo) -> None:
    with Image.open(photo) as image:
        assert gpu_decodable(photo.read_bytes()) == image.size


@pytest.mark.parametrize(
    "options", [{"subsampling": 0}, {"restart_marker_rows": 1}, {"exif": b"Exif\0\0" + bytes(300)}]
)
def test_variants_that_it_decodes(options: dict[str, object]) -> None:
    assert gpu_decodable(jpeg(**options)) == (640, 480)
    assert gpu_decodable(memoryview(jpeg("L", **options))) == (640, 480)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        jpeg("CMYK"),
        jpeg(progressive=True),
        jpeg(size=(223, 600)),
        jpeg(size=(6000, 4001)),
        jpeg(keep_rgb=True),
        jpeg()[:-2],
        jpeg() + b"\0",
        jpeg()[:100] + b"\xff\xd9",
        jpeg().replace(b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c"),
    ],
    ids=["empty", "start", "end", "cmyk", "progressive", "small", "huge", "rgb", "cut", "tail", "header-cut", "12-bit"],
)
def test_whatever_else_there_is_stays_on_the_cpu(data: bytes) -> None:
    assert gpu_decodable(data) is None


@given(st.binary(max_size=200), st.integers(0, 620), st.integers(0, 255))
def test_nothing_makes_it_fail(noise: bytes, position: int, value: int) -> None:
    assert gpu_decodable(noise) is None
    damaged = bytearray(jpeg())
    damaged[position % len(damaged)] = value
    gpu_decodable(bytes(damaged))
    gpu_decodable(b"\xff\xd8" + noise + b"\xff\xd9")
