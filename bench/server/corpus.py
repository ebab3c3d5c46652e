"""The images of the soak: the bundled photos in many sizes and formats, with their reference embeddings."""

import io
import itertools
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from bench.errors import BenchError

SIZES = ((90, 120), (224, 300), (320, 240), (640, 480), (481, 641), (1200, 900), (1920, 1080))
FORMATS: dict[str, tuple[str, str, dict[str, object]]] = {
    "baseline": ("RGB", "JPEG", {"quality": 90}),
    "full-chroma": ("RGB", "JPEG", {"quality": 80, "subsampling": 0}),
    "progressive": ("RGB", "JPEG", {"quality": 85, "progressive": True}),
    "grey": ("L", "JPEG", {}),
    "cmyk": ("CMYK", "JPEG", {}),
    "png": ("RGB", "PNG", {"compress_level": 1}),
    "palette": ("P", "PNG", {"compress_level": 1}),
    "webp": ("RGB", "WEBP", {"quality": 80, "method": 0}),
}


@dataclass(frozen=True)
class Corpus:
    """Files, their pixels UINT8 `[n, 3, 224, 224]`, their embeddings FP32 `[n, 512]`, and the embeddings' spread.

    Attributes:
        ordinary: indices of the files that are plain JPEGs, as most photos are.
    """

    files: list[bytes]
    ordinary: list[int]
    pixels: npt.NDArray[np.uint8]
    embeddings: npt.NDArray[np.float32]
    spread: float


def make_corpus(photos: Path) -> Corpus:
    """Save every photo in several sizes and formats and embed each by the reference.

    Raises:
        BenchError: the reference cannot be computed.
    """
    sources = sorted(photos.glob("*.jpg"))
    files, ordinary = [], []
    for index, (size, name) in enumerate(itertools.product(SIZES, FORMATS)):
        mode, kind, options = FORMATS[name]
        if name == "baseline":
            ordinary.append(index)
        buffer = io.BytesIO()
        with Image.open(sources[index % len(sources)]) as image:
            image.convert("RGB").resize(size).convert(mode).save(buffer, kind, **options)
        files.append(buffer.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        return _referenced(files, ordinary, Path(folder))


def _referenced(files: list[bytes], ordinary: list[int], folder: Path) -> Corpus:
    images = folder / "images"
    images.mkdir()
    for index, file in enumerate(files):
        (images / f"{index:06}").write_bytes(file)
    result = folder / "reference.npz"
    command = [sys.executable, "-m", "server.model.embed", str(images), str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"the reference embeddings could not be computed: {done.stderr.strip().splitlines()[-1:]}")
    with np.load(result) as found:
        embeddings, pixels = found["embeddings"], found["pixels"]
    first, second = np.triu_indices(len(embeddings), k=1)
    spread = float(np.median(np.linalg.norm(embeddings[first] - embeddings[second], axis=1)))
    return Corpus(files, ordinary, pixels, embeddings, spread)
