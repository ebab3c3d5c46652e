"""`python -m server.pytorch.decode_error`: the embedding error of this machine's fast decoding, as a Markdown table.

Each photo is saved in every size and format, decoded as the server would, and embedded by the FP32 model on the CPU. The
error is against open_clip's own preprocessing by Pillow, relative to the spread, as in `server.model.agreement`.
"""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from server import logs
from server.hardware import resolve
from server.images.bundled import bundled_photos
from server.images.jpeg import gpu_decodable
from server.images.prepare import prepare, prepare_exactly
from server.model import artifacts
from server.model.agreement import compare
from server.model.module import ServingModule, load_module
from server.settings import load_settings

SIZES = ((224, 224), (320, 240), (640, 480), (641, 479), (1000, 230), (1920, 1080), (4032, 3024))
FORMATS: dict[str, dict[str, object]] = {
    "4:2:0, quality 90": {"quality": 90},
    "4:2:2, quality 90": {"quality": 90, "subsampling": 1},
    "4:4:4, quality 90": {"quality": 90, "subsampling": 0},
    "4:2:0, quality 50": {"quality": 50},
    "grey, quality 90": {"quality": 90},
    "progressive, quality 90": {"quality": 90, "progressive": True},
}
MAX_PIXELS = 100_000_000

Pixels = npt.NDArray[np.uint8]
Decode = Callable[[list[bytes]], Pixels]


def main() -> None:
    """Measure and print."""
    settings = load_settings()
    logs.configure("error")
    model = artifacts.require(settings)
    module = load_module(settings.home.root / model.weights.path, quick_gelu=model.quick_gelu)
    decode = _on_gpu() if resolve(settings).decode == "gpu" else _on_cpu
    photos = [Image.open(photo).convert("RGB") for photo in bundled_photos()]
    print("| format |", " | ".join(f"{width}x{height}" for width, height in SIZES), "|")
    print("|---" * (len(SIZES) + 1) + "|")
    for name, options in FORMATS.items():
        cells = []
        for size in SIZES:
            files = [_file(photo.resize(size), name, options) for photo in photos]
            cells.append(f"{_error(module, decode(files), _exact(files)):.4f}")
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


def _file(image: Image.Image, name: str, options: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    (image.convert("L") if name.startswith("grey") else image).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _on_gpu() -> Decode:
    from server.pytorch.engine.nvjpeg import GpuDecoder

    decoder = GpuDecoder(np.fromfile(bundled_photos()[0], np.uint8))

    def decode(files: list[bytes]) -> Pixels:
        rows = []
        for file in files:
            refused = {0}
            if gpu_decodable(file):
                pixels, refused, ready = decoder.prepare([np.frombuffer(file, np.uint8)])
                ready.synchronize()
            rows.append(_on_cpu([file])[0] if refused else pixels[0].cpu().numpy())
        return np.stack(rows)

    return decode


def _on_cpu(files: list[bytes]) -> Pixels:
    return np.stack([prepare(file, max_pixels=MAX_PIXELS) for file in files])


def _exact(files: list[bytes]) -> Pixels:
    return np.stack([prepare_exactly(file, max_pixels=MAX_PIXELS) for file in files])


def _error(module: ServingModule, found: Pixels, expected: Pixels) -> float:
    with torch.inference_mode():
        embeddings = module(torch.from_numpy(np.concatenate([found, expected]))).numpy()
    return compare(embeddings[: len(found)], embeddings[len(found) :], "fp32").error


main()
