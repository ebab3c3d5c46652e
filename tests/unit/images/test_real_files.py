"""Files as cameras, phones, editors and broken copies leave them: only what a pixel needs decides.

`files/` holds kinds of JPEG that Pillow does not write: `arithmetic.jpg` is from libjpeg-turbo's `jpegtran -arithmetic`, the
others are from imagecodecs 2026.3.6 (`jpeg8_encode` with `bitspersample` and `lossless`, `jpegls_encode`).
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from server.home import PHOTOS
from server.images import ImageError, prepare
from server.images.prepare import prepare_exactly

FILES = Path(__file__).parent / "files"
MAX_PIXELS = 20_000_000
PHOTO = Image.open(PHOTOS / "coffee.jpg").convert("RGB").resize((400, 301))


def file(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return prepare(data, max_pixels=MAX_PIXELS)


def chunk(kind: bytes, data: bytes, damage: int = 0) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ damage)


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


PNG = file(PHOTO, "PNG")
AFTER_HEADER = 8 + 25
JPEG = file(PHOTO, "JPEG", quality=85)


def large_text() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("workflow", "x" * 1_100_000, zip=True)
    return file(PHOTO, "PNG", pnginfo=text)


@pytest.mark.parametrize(
    "data",
    [
        large_text(),
        file(PHOTO, "PNG", icc_profile=bytes(1_100_000)),
        PNG[:AFTER_HEADER] + chunk(b"tEXt", b"Comment\0hello", damage=1) + PNG[AFTER_HEADER:],
        PNG[:AFTER_HEADER] + chunk(b"gAMA", b"x", damage=1) + PNG[AFTER_HEADER:],
        PNG[:AFTER_HEADER] + chunk(b"zTXt", b"a\0\0no zlib") + PNG[AFTER_HEADER:],
        PNG[:-12] + chunk(b"tEXt", b"at the end\0hello", damage=1) + PNG[-12:],
        PNG[:-12],
        PNG + b"something behind it",
    ],
    ids=["large-text", "large-icc", "text-crc", "gamma-crc", "no-zlib", "text-behind", "no-end", "tail"],
)
def test_what_a_png_has_besides_pixels_does_not_matter(data: bytes) -> None:
    np.testing.assert_array_equal(pixels(data), pixels(PNG))


@pytest.mark.parametrize(
    "extra",
    [
        segment(0xE1, b"Exif\0\0no TIFF at all"),
        segment(0xE1, b"Exif\0\0MM\0\x2a\0\0\0\x08\xff\xff"),
        segment(0xE2, b"MPF\0no TIFF at all"),
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM"),
        segment(0xFE, bytes(60_000)) * 20,
    ],
    ids=["exif", "exif-cut", "mpf", "icc-cut", "photoshop-cut", "comments"],
)
def test_what_a_jpeg_has_besides_pixels_does_not_matter(extra: bytes) -> None:
    np.testing.assert_array_equal(pixels(JPEG[:2] + extra + JPEG[2:]), pixels(JPEG))


@pytest.mark.parametrize("between", [b"\xff" * 1000, b"\0" * 1000], ids=["fill", "zeros"])
def test_what_lies_between_the_segments_of_a_jpeg_does_not_matter(between: bytes) -> None:
    end_of_first = 4 + int.from_bytes(JPEG[4:6], "big")
    np.testing.assert_array_equal(pixels(JPEG[:end_of_first] + between + JPEG[end_of_first:]), pixels(JPEG))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xd8" + b"\xff\xfe\0\2" * 20_000 + JPEG[2:], "damaged JPEG file: its segments end before an image"),
        (b"\xff\xd8" + b"\xff" * 100_000, "damaged JPEG file: its segments end before an image"),
        (PNG[:AFTER_HEADER] + chunk(b"tEXt", b"") * 1_000_001, "damaged PNG file: more than 1000000 chunks"),
    ],
    ids=["comments", "fill", "texts"],
)
def test_a_file_of_nothing_but_empty_parts_is_not_read_to_its_end(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        pixels(data)


def test_damage_where_pixels_are_still_counts() -> None:
    header = bytearray(PNG)
    header[29] ^= 1
    with pytest.raises(ImageError, match="damaged PNG file"):
        pixels(bytes(header))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("12-bit", "^12-bit JPEG; expected"),
        ("lossless-16-bit", "^16-bit lossless JPEG; expected"),
        ("jpeg-ls", "^JPEG-LS; expected"),
    ],
)
def test_a_jpeg_of_a_kind_that_is_not_decoded_is_called_by_its_name(name: str, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        pixels((FILES / f"{name}.jpg").read_bytes())


@pytest.mark.parametrize(("marker", "words"), [(0xC5, "^hierarchical JPEG"), (0xCB, "^lossless JPEG with arithmetic")])
def test_a_rare_frame_is_called_by_its_name(marker: int, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        pixels(JPEG.replace(b"\xff\xc0\x00\x11", bytes((0xFF, marker, 0, 0x11))))


def test_two_components_are_counted() -> None:
    with pytest.raises(ImageError, match=r"^JPEG of 2 components"):
        pixels(JPEG.replace(b"\x01\x2d\x01\x90\x03", b"\x01\x2d\x01\x90\x02"))


@pytest.mark.parametrize("name", ["arithmetic", "lossless"])
def test_rare_kinds_that_libjpeg_decodes_are_served(name: str) -> None:
    data = (FILES / f"{name}.jpg").read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(pixels(data), pixels(file(image, "PNG")))


def test_a_large_lossless_jpeg_is_decoded_whole_because_none_is_reduced() -> None:
    side = 1800
    grey = segment(0xC4, b"\0\x01" + bytes(15) + b"\0")  # one code of one bit, for no difference
    frame = segment(0xC3, struct.pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0))
    scan = segment(0xDA, b"\x01\x01\0\x01\0\0")
    data = b"\xff\xd8" + grey + frame + scan + bytes(side * side // 8) + b"\xff\xd9"
    assert set(pixels(data).ravel().tolist()) == {128}


def test_of_a_camera_s_several_images_the_first_is_decoded_and_reduced_as_a_jpeg_is() -> None:
    large = PHOTO.resize((2400, 1800))
    several = file(large, "MPO", save_all=True, append_images=[PHOTO])
    assert Image.open(io.BytesIO(several)).format == "MPO"
    np.testing.assert_array_equal(pixels(several), pixels(file(large, "JPEG")))
    assert not np.array_equal(pixels(several), prepare_exactly(several, max_pixels=MAX_PIXELS))


BASELINE = {
    "photo": JPEG,
    "grey": file(PHOTO.convert("L"), "JPEG"),
    "4:4:4": file(PHOTO, "JPEG", subsampling=0),
    "restarts": file(PHOTO, "JPEG", restart_marker_rows=1),
    "large": file(PHOTO.resize((2400, 1800)), "JPEG"),
}


@pytest.mark.parametrize("kind", BASELINE)
@pytest.mark.parametrize("end", [b"", b"\0" * 4096], ids=["cut", "filled-with-zeros"])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_served(kind: str, end: bytes) -> None:
    np.testing.assert_array_equal(pixels(BASELINE[kind][:-2] + end), pixels(BASELINE[kind]))


def test_a_scan_that_ends_in_zeros_of_its_own_is_served_without_its_end_marker() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 96, 96), dtype=np.uint8)
    colourless = [file(Image.fromarray(one).convert("RGB"), "JPEG") for one in noise]
    ending_so = [data for data in colourless if data[-3] == 0]
    assert ending_so
    for data in ending_so:
        np.testing.assert_array_equal(pixels(data[:-2]), pixels(data))


@pytest.mark.parametrize("kind", BASELINE)
@pytest.mark.parametrize("missing", [20, 100, 3000])
@pytest.mark.parametrize("end", [b"", b"\0" * 400_000], ids=["cut", "filled-with-zeros"])
def test_a_jpeg_whose_last_line_is_cut_is_refused(kind: str, missing: int, end: bytes) -> None:
    with pytest.raises(ImageError, match="damaged JPEG file: image file is truncated"):
        pixels(BASELINE[kind][:-missing] + end)


@pytest.mark.parametrize("missing", range(3, 13))
@pytest.mark.parametrize("kind", BASELINE)
def test_a_jpeg_cut_within_its_last_blocks_is_served_only_if_that_changes_nothing(kind: str, missing: int) -> None:
    try:
        found = pixels(BASELINE[kind][:-missing])
    except ImageError:
        return
    np.testing.assert_array_equal(found, pixels(BASELINE[kind]))


def test_a_progressive_jpeg_needs_its_end_marker_because_a_scan_may_be_missing() -> None:
    progressive = file(PHOTO, "JPEG", progressive=True)
    with pytest.raises(ImageError, match="truncated"):
        pixels(progressive[:-2])


def test_a_large_webp_is_refused_before_its_reader_takes_memory_for_it() -> None:
    for options in ({"lossless": True}, {"quality": 1}, {"lossless": True, "exif": b"Exif\0\0"}):
        data = file(Image.new("RGB", (6000, 5000)), "WEBP", method=0, **options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("PIL._webp.WebPAnimDecoder", None)
            with pytest.raises(ImageError, match=r"6000x5000 is 30\.0 megapixels"):
                pixels(data)


@pytest.mark.parametrize("options", [{"lossless": True}, {}, {"exif": b"Exif\0\0", "quality": 90}])
def test_a_webp_of_any_form_is_served(options: dict[str, object]) -> None:
    assert np.abs(pixels(file(PHOTO, "WEBP", **options)).astype(int) - pixels(PNG)).mean() < 12
