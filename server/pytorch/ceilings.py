"""`python -m server.pytorch.ceilings`: what this machine can do in process, as one JSON object; a server cannot do more.

Printed keys: `encode_images_per_s` by batch size, `decode_images_per_s` (of 640x480 JPEG files, where a GPU decodes), and
`replay_ms` of one image. They are measured with the very encoder and decoder of the engine.
"""

import io
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from server import logs
from server.hardware import resolve
from server.images.bundled import bundled_photos
from server.pytorch.engine.load import Model, load
from server.pytorch.engine.work import EngineRequest, Segment
from server.settings import load_settings

SECONDS = 2.0
DECODE_FILES = 64
LARGE_BATCH = 256
"""The batch size at which the GPU's encoder is at its plateau."""


def main() -> None:
    """Measure and print."""
    settings = load_settings()
    logs.configure("error")
    hardware = resolve(settings)
    on_gpu = hardware.device == "cuda"
    largest = max(LARGE_BATCH, settings.max_batch_size) if on_gpu else settings.max_batch_size
    model = load(settings.model_copy(update={"max_batch_size": largest}), hardware, 0 if on_gpu else None)
    sizes = sorted({1, 8, settings.max_batch_size, LARGE_BATCH}) if on_gpu else [1, 8]
    encode = {size: size / _seconds(_encoding(model, size, "cuda" if on_gpu else "cpu")) for size in sizes}
    result: dict[str, object] = {
        "precision": model.loaded.precision,
        "threads": hardware.threads,
        "encode_images_per_s": encode,
        "replay_ms": 1e3 / encode[1],
    }
    if model.decoder:
        files = _files(DECODE_FILES)
        decoder = model.decoder
        result["decode_images_per_s"] = DECODE_FILES / _seconds(lambda: _decode_only(files))
        result["decode_and_resize_images_per_s"] = DECODE_FILES / _seconds(
            lambda: decoder.prepare(files)[2].synchronize()
        )
    print(json.dumps(result))


def _encoding(model: Model, size: int, device: str) -> Callable[[], object]:
    """Return the embedding of one batch whose pixels are on the device already."""
    pixels = torch.zeros((size, 3, 224, 224), dtype=torch.uint8, device=device)
    batch = [Segment(EngineRequest(0, np.zeros((size, 512), np.float32), lambda _: None), 0, pixels)]
    return lambda: model.encoder.collect(model.encoder.launch(batch))


def _seconds(work: Callable[[], object]) -> float:
    """Return the median seconds of one call."""
    work()
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _files(count: int) -> list[np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    """Return 640x480 JPEG files of the bundled photos."""
    files = []
    for photo in bundled_photos():
        buffer = io.BytesIO()
        with Image.open(photo) as image:
            image.convert("RGB").resize((640, 480)).save(buffer, "JPEG", quality=90)
        files.append(np.frombuffer(buffer.getvalue(), np.uint8).copy())
    return [files[index % len(files)] for index in range(count)]


def _decode_only(files: list[np.ndarray[tuple[int], np.dtype[np.uint8]]]) -> None:
    from torchvision.io import ImageReadMode, decode_jpeg

    decode_jpeg([torch.from_numpy(file) for file in files], mode=ImageReadMode.RGB, device="cuda")
    torch.cuda.synchronize()


if __name__ == "__main__":
    main()
