"""The scans of a JPEG are counted before one is decoded, as libjpeg will find them."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from server.images import ImageError, prepare
from server.images.bundled import bundled_photos
from server.images.jpeg import END, MOST_SCANS, gpu_decodable, has_too_many_scans
from tests.hostile import repeated_scan, saved

OF_AN_ENCODER = repeated_scan(256, 0).count(b"\xff\xda")
ALLOWED = repeated_scan(256, MOST_SCANS - OF_AN_ENCODER)
ONE_MORE = repeated_scan(256, MOST_SCANS - OF_AN_ENCODER + 1)
COMMENT = b"\xff\xfe\x00\x06"
LAST = ALLOWED.rfind(b"\xff\xda")


def behind_a_scan(extra: bytes, data: bytes) -> bytes:
    """Return the file with something in front of its last scan."""
    last = data.rfind(b"\xff\xda")
    return data[:last] + extra + data[last:]


@pytest.mark.parametrize("photo", bundled_photos(), ids=lambda photo: photo.stem)
def test_what_encoders_make_is_far_below(photo) -> None:
    assert not has_too_many_scans(photo.read_bytes())
    assert OF_AN_ENCODER <= 10


@pytest.mark.parametrize(
    "data",
    [
        ALLOWED,
        behind_a_scan((COMMENT + b"\xff\xda\xff\xda") * 100, ALLOWED),
        ALLOWED + b"\xff\xda" * 100,
        ALLOWED + ONE_MORE,
        saved(Image.new("RGB", (256, 256)), "JPEG", exif=b"Exif\0\0" + b"\xff\xda" * 100),
    ],
    ids=["most", "in comments", "behind it", "second image", "thumbnail"],
)
def test_only_scans_of_the_image_count(data: bytes) -> None:
    assert not has_too_many_scans(data)
    assert prepare(data, max_pixels=100_000).shape == (3, 224, 224)


@pytest.mark.parametrize(
    "data",
    [
        ONE_MORE,
        behind_a_scan(COMMENT + END + END, ONE_MORE),
        behind_a_scan(b"\xff" * 100, ONE_MORE),
        behind_a_scan(b"\xff\x00\xff\xd0\xff\x01", ONE_MORE),
        behind_a_scan(b"\xff\xfe\x00\x02" * 20_000, ALLOWED.replace(END, b"\xff\xda" + END)),
        ONE_MORE[: -len(END)],
    ],
    ids=["more", "an end in a comment", "fill bytes", "no segments", "empty comments", "no end"],
)
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_more_are_refused_before_one_is_decoded(data: bytes, kind: type) -> None:
    with pytest.raises(ImageError, match="JPEG of more than 50 scans; encoders make 10 or so"):
        prepare(kind(data), max_pixels=100_000)


def test_the_gpu_gets_none_of_them() -> None:
    usual = saved(Image.new("RGB", (256, 256)), "JPEG")
    scan = usual[usual.rfind(b"\xff\xda") : -2]
    assert gpu_decodable(usual)
    assert not gpu_decodable(usual[:-2] + scan * MOST_SCANS + END)


def test_the_probe_s_file_is_refused_at_once() -> None:
    data = repeated_scan(9999, 1200)
    assert len(data) < 1_200_000
    began = time.process_time()
    with pytest.raises(ImageError, match="scans"):
        prepare(data, max_pixels=100_000_000)
    assert time.process_time() - began < 1  # decoding it takes minutes


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([b"\xff\xda\x00\x02", b"\xff\xd9", b"\xff\x00", b"\xff", b"\xff\xfe\x00\x04ab", b"x"])))
def test_nothing_makes_it_fail(parts: list[bytes]) -> None:
    data = b"\xff\xd8" + b"".join(parts) + b"\xff\xda\x00\x02" * 60
    assert has_too_many_scans(data) in (True, False)
    assert has_too_many_scans(np.frombuffer(data, np.uint8).data) == has_too_many_scans(data)
