"""Pillow's resize followed by a centre crop, of which only the lines that the crop keeps are computed.

Pillow itself computes all of them: of 8000x1 pixels, 1.6 GB. `Image.resize` with a `box` takes its corners as FP32, which
moves the weights; so the long axis is resized here by the arithmetic of Pillow's `Resample.c` (weights in FP64, rounded to
22 bits, summed in whole numbers), and of `Geometry.c` for its nearest neighbour. The result is Pillow's bit for bit.
"""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

ORDINARY = 4096
"""Pixels of the resized image's longer side up to which Pillow resizes the whole: it is faster, and takes 4 MB at most."""

CUBIC_A = -0.5
CUBIC_SUPPORT = 2.0
PRECISION_BITS = 32 - 8 - 2

NEAREST = ("1", "P")
"""Modes that Pillow resizes without a filter, whatever it is asked for."""
PREMULTIPLIED = {"LA": "La", "RGBA": "RGBa"}
ADDED_AT_ONCE = 1 << 16


def resize_and_crop(image: Image.Image, size: tuple[int, int], side: int) -> Image.Image:
    """Return the square of `side` pixels in the middle of `image.resize(size, BICUBIC)`.

    Args:
        image: of any mode of 8 bits.
        size: width and height, at least `side`, of which one equals it where the other is above `ORDINARY`.
    """
    left, top = (round((length - side) / 2.0) for length in size)
    if size == image.size or max(size) <= ORDINARY:
        if size != image.size:
            image = image.resize(size, Image.Resampling.BICUBIC)
        return image.crop((left, top, left + side, top + side))
    if image.mode in NEAREST:
        columns = _nearest(image.width, size[0], left, side)
        rows = _nearest(image.height, size[1], top, side)
        kept = image.crop((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)).convert("RGB")
        return Image.fromarray(np.asarray(kept)[rows - rows[0]][:, columns - columns[0]])
    if size[0] > size[1]:
        return _resize_length(image, size, left, side, first=not _vertical_first(image.size, size))
    turned = image.transpose(Image.Transpose.TRANSPOSE)
    found = _resize_length(turned, size[::-1], top, side, first=_vertical_first(image.size, size))
    return found.transpose(Image.Transpose.TRANSPOSE)


def _resize_length(image: Image.Image, size: tuple[int, int], start: int, side: int, *, first: bool) -> Image.Image:
    """Resize to `size` and keep the columns from `start`; `first` tells whether width or height is resized first."""
    starts, weights = _cubic(image.width, size[0], start, side)
    low, high = int(starts[0]), min(image.width, int(starts[-1]) + weights.shape[1])
    kept = image.crop((low, 0, high, image.height))
    if kept.mode in PREMULTIPLIED:
        kept = kept.convert(PREMULTIPLIED[kept.mode])
    if not first:
        kept = kept.resize((kept.width, side), Image.Resampling.BICUBIC)
    bands = [Image.fromarray(_weighted(np.asarray(band), starts - low, weights)) for band in kept.split()]
    kept = Image.merge(kept.mode, bands)
    return kept.resize((side, side), Image.Resampling.BICUBIC).convert(image.mode)


def _vertical_first(old: tuple[int, int], new: tuple[int, int]) -> bool:
    """Tell which pass comes first, since each rounds to 8 bits."""
    return old[1] - new[1] > max(0, 2 * (old[0] - new[0]))


def _cubic(size: int, new_size: int, first: int, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return, for lines `first` to `first + count` of `size` resized to `new_size`, where their input begins and its weights.

    These are the first line of input, `[count]`, and the weights of that one and those after it, `[count, taps]`, in 2^-22.
    """
    scale = float(np.float32(size)) / new_size
    stretch = max(scale, 1.0)
    support = CUBIC_SUPPORT * stretch
    taps = math.ceil(support) * 2 + 1
    centres = (np.arange(first, first + count) + 0.5) * scale
    starts = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    ends = np.minimum((centres + support + 0.5).astype(np.int64), size)
    positions = starts[:, None] + np.arange(taps)
    distance = np.abs((positions - centres[:, None] + 0.5) * (1.0 / stretch))
    near = ((CUBIC_A + 2.0) * distance - (CUBIC_A + 3.0)) * distance * distance + 1
    far = (((distance - 5) * distance + 8) * distance - 4) * CUBIC_A
    cubic = np.where(distance < 1.0, near, np.where(distance < CUBIC_SUPPORT, far, 0.0))
    cubic[positions >= ends[:, None]] = 0.0
    cubic /= np.add.accumulate(cubic, axis=1)[:, -1:]  # one after the other, as C does: the last bits depend on it
    return starts, (cubic * (1 << PRECISION_BITS) + np.copysign(0.5, cubic)).astype(np.int32)


def _weighted(
    pixels: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], weights: npt.NDArray[np.int32]
) -> npt.NDArray[np.uint8]:
    """Return UINT8 `[H, n]` from `[H, W]`; tap by tap, so that no more than the result is held."""
    total = np.full((len(pixels), len(starts)), 1 << (PRECISION_BITS - 1), np.int32)
    last = pixels.shape[1] - 1
    for tap in range(weights.shape[1]):
        total += pixels[:, np.minimum(starts + tap, last)] * weights[:, tap]
    return np.clip(total >> PRECISION_BITS, 0, 255).astype(np.uint8)


def _nearest(size: int, new_size: int, first: int, count: int) -> npt.NDArray[np.int64]:
    """Return the lines of input that lines `first` to `first + count` of `size` resized to `new_size` are copies of."""
    step = float(np.float32(size)) / new_size
    position, begun = step * 0.5, 0
    while begun + ADDED_AT_ONCE <= first:  # as C does: a product would round differently
        position = np.add.accumulate(np.r_[position, np.full(ADDED_AT_ONCE, step)])[-1]
        begun += ADDED_AT_ONCE
    reached = np.add.accumulate(np.r_[position, np.full(first + count - begun - 1, step)])
    return reached[first - begun :].astype(np.int64)
