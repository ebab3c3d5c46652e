"""An image that costs too much is refused, its process replaced, and whoever comes next is served."""

from collections.abc import Iterator

import numpy as np
import pytest

from server.images import ImageError, prepare
from server.images.bundled import bundled_photos
from server.images.decoding import Decoders, decoded, image_errors
from tests.hostile import png_of_nothing, repeated_scan, webp_of_nothing

PHOTO = bundled_photos()[0].read_bytes()
MAX_PIXELS = 20_000_000


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    made = Decoders(1, max_pixels=MAX_PIXELS, upright=False, cpu_s=0.15, wall_s=60)
    yield made
    made.close()


def pixels(decoders: Decoders, file: bytes) -> np.ndarray:
    with image_errors():
        return decoded(decoders.submit(file).result(60)).pixels


def test_pixels_are_those_of_this_process(decoders: Decoders) -> None:
    np.testing.assert_array_equal(pixels(decoders, PHOTO), prepare(PHOTO, max_pixels=MAX_PIXELS))
    one = decoded(decoders.submit(PHOTO).result(60))
    assert 0 < one.end_ns - one.start_ns < 60e9


@pytest.mark.parametrize(
    "file",
    [repeated_scan(4400, 40), png_of_nothing(4400, 4400), webp_of_nothing(4400)],
    ids=["scans of a JPEG", "pixels of a PNG", "pixels of a WebP"],
)
def test_what_costs_too_much_is_refused_in_words(decoders: Decoders, file: bytes) -> None:
    assert len(file) < 400_000
    with pytest.raises(ImageError, match=r"^takes more than 0\.15 s of processor time to decode$"):
        pixels(decoders, file)
    assert pixels(decoders, PHOTO).shape == (3, 224, 224)


def test_what_is_wrong_with_a_file_is_said_as_here(decoders: Decoders) -> None:
    for file in (b"", b"text", PHOTO[:3000], png_of_nothing(65_536, 1), png_of_nothing(99_999_999, 1, 0)):
        with pytest.raises(ImageError) as here:
            prepare(file, max_pixels=MAX_PIXELS)
        with pytest.raises(ImageError) as there:
            pixels(decoders, file)
        assert str(here.value) == str(there.value)
    assert len(decoders.pids) == 1
