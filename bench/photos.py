"""The photos that are sent, as files and as pixels.

The pixels are made once, here, by open_clip's rule (shorter side to 224 by bicubic, centre crop, RGB), before anything
is timed. To the benchmark only the bytes matter: every backend gets the same ones. That the servers' own preprocessing
equals open_clip's bit for bit is the servers' promise and their tests'.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from bench.errors import BenchError
from bench.records import Record
from server.files import printable

SIDE = 224
"""Height and width of the model's input, in pixels."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True)
class Photo:
    """One photo: the file's bytes, and its pixels UINT8 `[3, 224, 224]`, RGB."""

    name: str
    data: bytes
    pixels: npt.NDArray[np.uint8]


class LeftOut(Record):
    """A photo that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class PhotoSet:
    """The photos of a run, how many the folder held, and those of the chosen ones that cannot be used."""

    photos: tuple[Photo, ...]
    found: int
    left_out: tuple[LeftOut, ...] = ()

    def rotation(self, start: int, count: int) -> list[Photo]:
        """Return `count` photos from position `start` on, going around as often as needed."""
        return [self.photos[(start + i) % len(self.photos)] for i in range(count)]


def load_photos(folder: Path, max_photos: int) -> PhotoSet:
    """Load a folder's photos in the order of their names; of more than `max_photos`, every so-manyth.

    Files that cannot be read as photos are left out.

    Raises:
        BenchError: there is no such folder, it holds no photos, or none of the files can be read as one.
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
    loaded = [_load(path) for path in chosen]
    photos = tuple(each for each in loaded if isinstance(each, Photo))
    left_out = tuple(each for each in loaded if isinstance(each, LeftOut))
    if not photos:
        first = left_out[0]
        raise BenchError(f"{folder} holds no photo that can be read; the first, {first.name}, {first.reason}")
    return PhotoSet(photos, len(paths), left_out)


def _load(path: Path) -> Photo | LeftOut:
    name = printable(path.name)
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            return Photo(name, data, _pixels(image))
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        why = f"{len(data):,} bytes of no known format" if isinstance(error, UnidentifiedImageError) else error
        return LeftOut(name=name, reason=f"cannot be read as a photo ({why})")


def _pixels(image: Image.Image) -> npt.NDArray[np.uint8]:
    width, height = image.size
    if width <= height:
        size = (SIDE, max(SIDE, int(SIDE * height / width)))
    else:
        size = (max(SIDE, int(SIDE * width / height)), SIDE)
    left, top = round((size[0] - SIDE) / 2), round((size[1] - SIDE) / 2)
    resized = image.resize(size, Image.Resampling.BICUBIC).crop((left, top, left + SIDE, top + SIDE))
    return np.ascontiguousarray(np.asarray(resized.convert("RGB")).transpose(2, 0, 1))
