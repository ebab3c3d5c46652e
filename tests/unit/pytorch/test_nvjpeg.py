"""The GPU decoder's bookkeeping, with doubles of CUDA and of nvJPEG on the CPU; tests/stack/test_gpu.py runs the real ones."""

import contextlib
import io
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.io import decode_jpeg

from server.home import PHOTOS
from server.images import prepare
from server.pytorch.engine import nvjpeg

pytestmark = pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")  # for TorchCodec


def mirrored(data: np.ndarray) -> np.ndarray:
    """Return a JPEG file of the same size with another image."""
    buffer = io.BytesIO()
    ImageOps.mirror(Image.open(io.BytesIO(data.tobytes()))).save(buffer, "JPEG")
    return np.frombuffer(buffer.getvalue(), np.uint8).copy()


CAT, COFFEE = (np.fromfile(PHOTOS / name, np.uint8) for name in ("cat.jpg", "coffee.jpg"))
FILES = [CAT, COFFEE, mirrored(CAT)]
NO_IMAGE = np.zeros(50, np.uint8)


class EventDouble:
    """Takes note of what is waited for."""

    waited: ClassVar[list["EventDouble"]] = []

    def record(self) -> None:
        pass

    def synchronize(self) -> None:
        self.waited.append(self)


@pytest.fixture(autouse=True)
def gpu_double(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_cpu(make):
        return lambda *values, **options: make(*values, **{**options, "device": "cpu"})

    monkeypatch.setattr(EventDouble, "waited", [])
    monkeypatch.setattr(torch.cuda, "Event", EventDouble)
    monkeypatch.setattr(torch.cuda, "Stream", lambda priority: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(nvjpeg, "decode_jpeg", lambda data, mode, device: decode_jpeg(data, mode=mode))
    for name in ("empty", "tensor"):
        monkeypatch.setattr(torch, name, on_cpu(getattr(torch, name)))


@pytest.fixture
def decoder(gpu_double: None) -> nvjpeg.GpuDecoder:
    return nvjpeg.GpuDecoder(FILES[0])


def near(pixels: torch.Tensor, file: np.ndarray, *, upright: bool = False) -> bool:
    expected = prepare(file.tobytes(), max_pixels=10**8, upright=upright)
    return bool(np.abs(pixels.numpy().astype(int) - expected.astype(int)).max() <= 2)


def test_every_file_has_its_row_whatever_its_size(decoder: nvjpeg.GpuDecoder) -> None:
    pixels, refused, _ = decoder.prepare(FILES)
    assert refused == set()
    assert all(map(near, pixels, FILES))


def test_a_file_that_is_refused_harms_no_other(decoder: nvjpeg.GpuDecoder) -> None:
    pixels, refused, _ = decoder.prepare([FILES[0], NO_IMAGE, FILES[1]])
    assert refused == {1}
    assert near(pixels[0], FILES[0])
    assert near(pixels[2], FILES[1])


def test_images_are_kept_until_they_have_been_resized(decoder: nvjpeg.GpuDecoder) -> None:
    _, _, first = decoder.prepare(FILES)
    assert EventDouble.waited == []
    decoder.prepare(FILES)
    assert EventDouble.waited == [first]


def test_files_of_one_size_are_turned_by_their_orientation_when_asked_for() -> None:
    with Image.open(PHOTOS / "coffee.jpg") as photo:
        lying = [turned(photo, number) for number in (6, 1, 2, 3, 4, 5, 6, 7, 8)]
    pixels, refused, _ = nvjpeg.GpuDecoder(FILES[0], apply_orientation=True).prepare(lying)
    assert refused == set()
    assert all(near(one, file, upright=True) for one, file in zip(pixels, lying, strict=True))
    ignored, _, _ = nvjpeg.GpuDecoder(FILES[0]).prepare(lying)
    assert all(near(one, file) for one, file in zip(ignored, lying, strict=True))


def turned(photo: Image.Image, orientation: int) -> np.ndarray:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", exif=exif)
    return np.array(memoryview(buffer.getvalue()))
