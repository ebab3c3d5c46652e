"""The photos that are sent, as files and as pixels.

The pixels are made once, here, by open_clip's rule (shorter side to 224 by bicubic, centre crop, RGB), before anything
is timed. To the benchmark only the bytes matter: every backend gets the same ones. That the servers' own preprocessing
equals open_clip's bit for bit is the servers' promise and their tests'.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.errors import BenchError

SIDE = 224
"""Height and width of the model's input, in pixels."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True)
class Photo:
    """One photo: the file's bytes, and its pixels UINT8 `[3, 224, 224]`, RGB."""

    name: str
    data: bytes
    pixels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class PhotoSet:
    """The photos of a run, and how many the folder held."""

    photos: tuple[Photo, ...]
    found: int

    def rotation(self, start: int, count: int) -> list[Photo]:
        """Return `count` photos from position `start` on, going around as often as needed."""
        return [self.photos[(start + i) % len(self.photos)] for i in range(count)]


def load_photos(folder: Path, max_photos: int) -> PhotoSet:
    """Load a folder's photos in the order of their names; of more than `max_photos`, every so-manyth.

    Raises:
        BenchError: there is no such folder, it holds no photos, or a file cannot be read as one.
    """
    if not folder.is_dir():
        raise BenchError(f"{folder} is not a folder; give one that holds JPEG, PNG or WebP files")
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )
    if not paths:
        raise BenchError(f"{folder} holds no .jpg, .jpeg, .png or .webp files (subfolders are not searched)")
    taken = min(max_photos, len(paths))
    chosen = [paths[i * len(paths) // taken] for i in range(taken)]
    return PhotoSet(tuple(_load(path) for path in chosen), len(paths))


def _load(path: Path) -> Photo:
    try:
        with Image.open(path) as image:
            pixels = _pixels(image)
        return Photo(path.name, path.read_bytes(), pixels)
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise BenchError(f"{path} cannot be read as a photo ({error}); remove it or replace it") from error


def _pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    width, height = image.size
    if width <= height:
        size = (SIDE, max(SIDE, int(SIDE * height / width)))
    else:
        size = (max(SIDE, int(SIDE * width / height)), SIDE)
    left, top = round((size[0] - SIDE) / 2), round((size[1] - SIDE) / 2)
    resized = image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + SIDE, top + SIDE))
    return np.ascontiguousarray(np.asarray(resized.convert("RGB")).transpose(2, 0, 1))
