"""What decides the content of the model's files: a change of any of it makes them again."""

import importlib.metadata
from pathlib import Path

from server.files import sha256
from server.images.bundled import bundled_photos
from server.settings import Settings

OPSET = 17
"""TensorRT 8.6, in older Triton images, reads no more than this; everything newer reads it too."""

MODULE = Path(__file__).with_name("module.py")
"""What is exported: another graph than last time's is exported again."""

PACKAGES = ("torch", "open_clip_torch", "onnx", "onnxscript", "pillow")
"""Packages whose version may change what the export contains."""


def checkpoint(settings: Settings) -> Path | None:
    """Return the file with the weights; None where `PRETRAINED` is a tag or `random`."""
    is_path = "/" in settings.pretrained or Path(settings.pretrained).suffix
    return Path(settings.pretrained).expanduser() if is_path else None


def recipe(settings: Settings) -> dict[str, str]:
    """Return versions and choices by name."""
    photos = ",".join(f"{photo.name}:{sha256(photo)[:12]}" for photo in bundled_photos())
    # Another file under the same path is another model; one that is gone leaves what was made of it.
    file = checkpoint(settings)
    own_weights = {"checkpoint": sha256(file)} if file and file.is_file() else {}
    return {
        "pretrained": settings.pretrained,
        **own_weights,
        "quick_gelu": str(settings.quick_gelu),
        "opset": str(OPSET),
        "module": sha256(MODULE)[:12],
        "photos": photos,
        **{package: importlib.metadata.version(package) for package in PACKAGES},
    }
