"""The preparation equals open_clip's `preprocess_val` and refuses what is not an image."""

import io
from pathlib import Path

import numpy as np
import open_clip
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from server.images import ImageError, prepare
from server.images.bundled import bundled_photos

MAX_PIXELS = 4_000_000


@pytest.fixture(scope="module")
def reference():
    """open_clip's own preparation, without the scaling and normalising that the graph does."""
    transform = open_clip.image_transform(224, is_train=False)
    resize_crop_convert = transform.transforms[:3]

    def prepared(data: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(data))
        for step in resize_crop_convert:
            image = step(image)
        return np.asarray(image).transpose(2, 0, 1)

    return prepared


def file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(width * 10_000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("photo", bundled_photos(), ids=lambda path: path.stem)
def test_bundled_photos_equal_the_reference(photo: Path, reference) -> None:
    data = photo.read_bytes()
    np.testing.assert_array_equal(prepare(data, max_pixels=MAX_PIXELS), reference(data))


@settings(deadline=None, max_examples=40)
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_any_size_equals_the_reference(reference, width: int, height: int) -> None:
    data = file(picture(width, height))
    np.testing.assert_array_equal(prepare(data, max_pixels=MAX_PIXELS), reference(data))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("1", "PNG"),
        ("RGBA", "WEBP"),
    ],
)
def test_every_colour_mode_equals_the_reference(mode: str, kind: str, reference) -> None:
    data = file(picture(300, 260, mode), kind)
    np.testing.assert_array_equal(prepare(data, max_pixels=MAX_PIXELS), reference(data))


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    image = Image.fromarray(np.tile(ramp, (256, 1)))
    pixels = prepare(file(image), max_pixels=MAX_PIXELS)
    eight_bits = prepare(file(Image.fromarray(np.tile((ramp >> 8).astype(np.uint8), (256, 1)))), max_pixels=MAX_PIXELS)
    np.testing.assert_array_equal(pixels, eight_bits)
    assert pixels.min() < 20
    assert pixels.max() > 230


def test_of_an_animation_the_first_frame_is_taken() -> None:
    red, blue = Image.new("RGB", (300, 300), "red"), Image.new("RGB", (300, 300), "blue")
    data = file(red, "WEBP", save_all=True, append_images=[blue], lossless=True)
    assert prepare(data, max_pixels=MAX_PIXELS)[:, 100, 100].tolist() == [255, 0, 0]


def test_exif_orientation_is_ignored_as_the_reference_does(reference) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = file(picture(400, 300), "JPEG", exif=exif)
    np.testing.assert_array_equal(prepare(data, max_pixels=MAX_PIXELS), reference(data))


def test_a_memoryview_is_as_good_as_bytes() -> None:
    data = file(picture(300, 260), "JPEG")
    np.testing.assert_array_equal(
        prepare(memoryview(b"xx" + data)[2:], max_pixels=MAX_PIXELS), prepare(data, max_pixels=MAX_PIXELS)
    )


def test_an_image_over_the_limit_is_refused_before_it_is_decoded() -> None:
    bomb = file(Image.new("1", (20_000, 20_000)))
    with pytest.raises(ImageError, match=r"20000x20000 is 400\.0 megapixels; at most 4 are accepted"):
        prepare(bomb, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty; expected a JPEG, PNG or WebP file"),
        (b"hello", r"not a JPEG, PNG or WebP image \(5 bytes\)"),
        (b"GIF89a" + bytes(100), "not a JPEG, PNG or WebP image"),
    ],
)
def test_what_is_not_an_image_is_named(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        prepare(data, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_file_is_refused(kind: str) -> None:
    data = file(picture(640, 480), kind)
    with pytest.raises(ImageError, match=r"damaged|not a JPEG"):
        prepare(data[: len(data) // 2], max_pixels=MAX_PIXELS)


@settings(deadline=None, max_examples=200)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_damage_gives_pixels_or_an_image_error_and_nothing_else(data: st.DataObject, kind: str) -> None:
    whole = bytearray(file(picture(64, 48), kind))
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=8)
    ):
        whole[position] = value
    try:
        pixels = prepare(bytes(whole), max_pixels=MAX_PIXELS)
    except ImageError:
        return
    assert pixels.shape == (3, 224, 224)
    assert pixels.dtype == np.uint8
