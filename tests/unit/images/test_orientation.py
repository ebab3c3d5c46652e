"""EXIF orientation is ignored as open_clip does, or applied as viewers do: every orientation, format and byte order."""

import io
import struct

import numpy as np
import open_clip
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from server.home import PHOTOS
from server.images import orientation, prepare
from server.images.bundled import bundled_photos

MAX_PIXELS = 20_000_000
PHOTO = Image.open(PHOTOS / "coffee.jpg").convert("RGB").resize((401, 300))
REFERENCE = open_clip.image_transform(224, is_train=False).transforms[:3]
ORIENTATIONS = range(1, 9)


def turned(number: int, kind: str = "JPEG", image: Image.Image = PHOTO, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "a maker before it"
    exif[0x0112] = number
    buffer = io.BytesIO()
    image.save(buffer, kind, exif=exif, **options)
    return buffer.getvalue()


def as_viewers_do(data: bytes) -> np.ndarray:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    for step in REFERENCE:
        image = step(image)
    return np.asarray(image).transpose(2, 0, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("number", ORIENTATIONS)
def test_it_is_applied_as_viewers_do_when_asked_for(number: int, kind: str) -> None:
    data = turned(number, kind)
    assert orientation(data) == number
    np.testing.assert_array_equal(prepare(data, max_pixels=MAX_PIXELS, upright=True), as_viewers_do(data))
    assert np.array_equal(prepare(data, max_pixels=MAX_PIXELS), as_viewers_do(data)) is (number == 1)


@pytest.mark.parametrize("number", ORIENTATIONS)
def test_it_is_applied_to_what_is_decoded_at_a_reduced_size(number: int) -> None:
    large = PHOTO.resize((2600, 1900))
    upright = prepare(turned(1, image=large), max_pixels=MAX_PIXELS)
    inverse = {6: 8, 8: 6}.get(number, number)
    lying = ImageOps.exif_transpose(Image.open(io.BytesIO(turned(inverse, "PNG", large))))
    found = prepare(turned(number, image=lying), max_pixels=MAX_PIXELS, upright=True)
    assert np.abs(found.astype(int) - upright).mean() < 1


def test_sixteen_bits_palettes_and_thin_images_are_turned_too() -> None:
    grey = Image.fromarray((np.arange(300 * 240).reshape(240, 300)).astype(np.uint16))
    for image in (PHOTO.convert("P"), PHOTO.convert("RGBA"), PHOTO.resize((4000, 20))):
        data = turned(6, "PNG", image)
        np.testing.assert_array_equal(prepare(data, max_pixels=MAX_PIXELS, upright=True), as_viewers_do(data))
    lying = prepare(turned(6, "PNG", grey), max_pixels=MAX_PIXELS, upright=True)
    standing = prepare(turned(1, "PNG", grey.transpose(Image.Transpose.ROTATE_270)), max_pixels=MAX_PIXELS)
    np.testing.assert_array_equal(lying, standing)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read(order: str) -> None:
    directory = struct.pack(order + "HHHIHHI", 1, 0x0112, 3, 1, 8, 0, 0)
    tiff = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + directory
    segment = b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff
    jpeg = turned(1)
    assert orientation(jpeg[:2] + segment + jpeg[2:]) == 8
    assert orientation(memoryview(jpeg[:2] + segment + jpeg[2:])) == 8


@pytest.mark.parametrize("number", [0, 9, 65_535])
def test_what_is_no_orientation_is_upright(number: int) -> None:
    assert orientation(turned(number)) == 1


@given(st.sampled_from(["JPEG", "PNG", "WEBP"]), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_damage_makes_it_upright_or_another_orientation_and_nothing_else(
    kind: str, position: int, value: int, length: int
) -> None:
    small = PHOTO.resize((16, 16))
    damaged = bytearray(turned(6, kind, small))
    damaged[position % len(damaged)] = value
    assert orientation(bytes(damaged)) in ORIENTATIONS
    assert orientation(bytes(damaged)[:length]) in ORIENTATIONS


def test_the_probes_have_none_so_that_the_reference_is_the_same_either_way() -> None:
    assert {orientation(photo.read_bytes()) for photo in bundled_photos()} == {1}
