"""What only the centre crop's lines are computed of is Pillow's resize, bit for bit, and takes no memory for the rest."""

import io
import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from server.images import SIDE, ImageError, prepare, resample
from server.images.prepare import resized

MAX_PIXELS = 100_000_000
MODES = ["L", "LA", "RGB", "RGBA", "CMYK", "P", "1"]
REFERENCE = open_clip.image_transform(SIDE, is_train=False).transforms[:3]


def picture(width: int, height: int, mode: str) -> Image.Image:
    pixels = np.random.default_rng(width * 70_000 + height).integers(0, 256, (height, width, 4), dtype=np.uint8)
    image = Image.fromarray(pixels, "RGBA")
    return image.convert(mode) if mode in ("LA", "RGBA") else image.convert("RGB").convert(mode)


def by_open_clip(image: Image.Image) -> np.ndarray:
    for step in REFERENCE:
        image = step(image)
    return np.asarray(image)


def by_ours(image: Image.Image) -> np.ndarray:
    return np.asarray(resample.resize_and_crop(image, resized(*image.size), SIDE).convert("RGB"))


def png(width: int, height: int) -> bytes:
    """Return a black RGB file, line by line without the image in memory."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = zlib.compress(bytes((3 * width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


@settings(deadline=None, max_examples=80)
@given(short=st.integers(1, 500), ratio=st.floats(1, 40), tall=st.booleans(), mode=st.sampled_from(MODES))
def test_any_size_in_any_mode_equals_the_reference(short: int, ratio: float, tall: bool, mode: str) -> None:
    size = (short, min(int(short * ratio), 4000))
    image = picture(*(size if tall else size[::-1]), mode)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resample, "ORDINARY", 0)  # or Pillow would resize most of them
        np.testing.assert_array_equal(by_ours(image), by_open_clip(image))


@pytest.mark.parametrize("size", [(2000, 1), (1, 2000), (3000, 2), (3000, 100), (9000, 400), (400, 9000)])
def test_thin_images_equal_the_reference(size: tuple[int, int]) -> None:
    image = picture(*size, "RGB" if min(size) > 1 else "L")
    np.testing.assert_array_equal(by_ours(image), by_open_clip(image))


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
@pytest.mark.parametrize("tall", [False, True])
def test_the_thinnest_equal_what_pillow_makes_of_them_one_axis_after_the_other(mode: str, tall: bool) -> None:
    line = picture(65_535, 1, mode)
    long = resized(65_535, 1)[0]
    left = round((long - SIDE) / 2)
    strip = line.resize((long, 1), Image.Resampling.BICUBIC).crop((left, 0, left + SIDE, 1))
    expected = np.asarray(strip.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB"))
    if tall:
        line, expected = line.transpose(Image.Transpose.TRANSPOSE), expected.transpose(1, 0, 2)
    np.testing.assert_array_equal(by_ours(line), expected)


MEASURE = """
import json, resource, sys
from server.images import prepare
small, thin = sys.stdin.buffer.read(int(sys.argv[1])), sys.stdin.buffer.read()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
prepare(small, max_pixels=100_000_000)
before = peak()
prepare(thin, max_pixels=100_000_000)
print(json.dumps(peak() - before))
"""


@pytest.mark.parametrize("size", [(8000, 1), (1, 8000), (60_000, 1), (1, 60_000)])
def test_a_thin_image_takes_no_more_memory_than_its_pixels(size: tuple[int, int]) -> None:
    small = png(300, 300)
    command = [sys.executable, "-c", MEASURE, str(len(small))]
    done = subprocess.run(command, input=small + png(*size), capture_output=True, check=True)
    assert json.loads(done.stdout) < 30e6


def test_an_image_that_pillow_could_not_resize_is_refused_by_its_size() -> None:
    assert prepare(png(65_535, 1), max_pixels=MAX_PIXELS).shape == (3, SIDE, SIDE)
    for size in ((65_536, 1), (1, 65_536), (99_999_999, 1)):
        with pytest.raises(ImageError, match=rf"{size[0]}x{size[1]}: one side may be at most 65535 times as long"):
            prepare(png(*size), max_pixels=MAX_PIXELS)


def test_a_transparent_palette_is_taken_by_its_colours() -> None:
    buffer = io.BytesIO()
    picture(3000, 2, "P").save(buffer, "PNG", transparency=3)
    pixels = prepare(buffer.getvalue(), max_pixels=MAX_PIXELS)
    np.testing.assert_array_equal(pixels.transpose(1, 2, 0), by_open_clip(picture(3000, 2, "P")))
