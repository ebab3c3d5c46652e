"""Decode, resize and crop one image as open_clip's `preprocess_val` does, up to and without the scaling to 0..1.

The reference (open_clip 3.3.0, `transform.image_transform`, not training) is torchvision's `Resize(224, BICUBIC)` of a
Pillow image, `CenterCrop(224)`, then the conversion to RGB, in this order. The arithmetic below is torchvision's for
Pillow images, so the result is equal to the reference bit for bit, except for very large JPEGs; the tests hold it there.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from server.images.errors import ImageError
from server.images.opening import UsedFile, files_to_decode
from server.images.orientation import SIDEWAYS, TURNS, orientation
from server.images.resample import resize_and_crop

SIDE = 224
"""Height and width of the model's input, in pixels."""

DRAFT_TO = 2 * SIDE
DRAFT_FROM = 4 * DRAFT_TO
"""A JPEG whose shorter side has at least this many pixels is decoded at a reduced size of at least `DRAFT_TO`.

That makes 12 megapixels 5 times faster for an embedding error of 0.0055 of the spread; with `DRAFT_TO` = 224 it would
reach 0.056 (docs/performance.md). Smaller images stay equal to the reference bit for bit.
"""

MOST_ELONGATED = 65_535
"""Times that the longer side may be as long as the shorter: what the thinnest JPEG has. Pillow's own resize ends at 239,674."""

# Our own limit is checked before a pixel is decoded; Pillow's would warn first and raise at twice its value.
Image.MAX_IMAGE_PIXELS = None


def prepare(data: bytes | memoryview, *, max_pixels: int, upright: bool = False) -> npt.NDArray[np.uint8]:
    """Return the pixels of one image file; very large JPEG files are decoded at a reduced size.

    Args:
        data: a JPEG, PNG or WebP file; of an animation the first frame is taken.
        max_pixels: the most pixels (width times height) that may be decoded.
        upright: turn the image by its EXIF orientation, which open_clip ignores.

    Returns:
        UINT8 array of shape [3, 224, 224], RGB.

    Raises:
        ImageError: the file is empty, of another format, damaged or too large.
    """
    return _prepare(data, max_pixels, upright, may_reduce=True)


def prepare_exactly(data: bytes | memoryview, *, max_pixels: int, upright: bool = False) -> npt.NDArray[np.uint8]:
    """Return what `prepare` does, but equal to the reference bit for bit whatever the size."""
    return _prepare(data, max_pixels, upright, may_reduce=False)


def _prepare(data: bytes | memoryview, max_pixels: int, upright: bool, *, may_reduce: bool) -> npt.NDArray[np.uint8]:
    turn = TURNS.get(orientation(data)) if upright else None
    found = [_pixels(file, max_pixels, turn, may_reduce=may_reduce) for file in files_to_decode(data)]
    if any(not np.array_equal(found[0], other) for other in found[1:]):
        raise ImageError("damaged JPEG file: image file is truncated")
    return found[0]


def _pixels(
    file: UsedFile, max_pixels: int, turn: Image.Transpose | None, *, may_reduce: bool
) -> npt.NDArray[np.uint8]:
    _check_size(*file.size, max_pixels)
    try:
        image: Image.Image = file.open()
        width, height = image.size
        _check_size(width, height, max_pixels)
        if may_reduce and file.reducible:
            _decode_smaller(image)
        image = _eight_bits(image)
        if turn is not None:
            image = image.transpose(turn)
            if turn in SIDEWAYS:
                width, height = height, width
        cropped = resize_and_crop(image, resized(width, height), SIDE).convert("RGB")
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise ImageError(f"damaged {file.kind} file: {_sentence(error)}") from error
    return np.ascontiguousarray(np.asarray(cropped).transpose(2, 0, 1))


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageError(
            f"{width}x{height} is {width * height / 1e6:.1f} megapixels; at most {max_pixels / 1e6:g} are accepted"
        )
    if max(width, height) > MOST_ELONGATED * min(width, height):
        raise ImageError(f"{width}x{height}: one side may be at most {MOST_ELONGATED} times as long as the other")


def _decode_smaller(image: Image.Image) -> None:
    """Let libjpeg decode a large JPEG at a half, a quarter or an eighth of its size, if that is still large enough."""
    if min(image.size) >= DRAFT_FROM:
        scale = DRAFT_TO / min(image.size)
        image.draft(None, (int(image.size[0] * scale), int(image.size[1] * scale)))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit greyscale to 8 bits: Pillow's conversion to RGB would clip it to white."""
    if image.mode not in ("I", "I;16", "I;16B", "I;16L"):
        return image
    values: npt.NDArray[Any] = np.asarray(image)
    return Image.fromarray((np.clip(values, 0, 65535) >> 8).astype(np.uint8), "L")


def resized(width: int, height: int) -> tuple[int, int]:
    """Return the width and height that an image is resized to before the crop: its shorter side becomes 224."""
    if width <= height:
        return SIDE, max(SIDE, int(SIDE * height / width))
    return max(SIDE, int(SIDE * width / height)), SIDE


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
