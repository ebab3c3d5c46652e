"""`python -m server.model.embed FOLDER RESULT`: the reference embeddings of a folder's images, by the slow and sure way.

Pillow, open_clip's preprocessing and the FP32 model on the CPU. RESULT is an `.npz` with `names`, `pixels` UINT8
`[n, 3, 224, 224]` and `embeddings` FP32 `[n, 512]`, in the order of the names.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from server.images.prepare import prepare_exactly
from server.model import artifacts
from server.model.module import load_module
from server.settings import load_settings

MAX_PIXELS = 1_000_000_000
BATCH = 16


def main() -> None:
    """Embed and write."""
    folder, result = map(Path, sys.argv[1:])
    settings = load_settings()
    model = artifacts.require(settings)
    module = load_module(settings.home.root / model.weights.path, quick_gelu=model.quick_gelu)
    files = sorted(path for path in folder.iterdir() if path.is_file())
    upright = settings.apply_exif_orientation
    pixels = np.stack([prepare_exactly(file.read_bytes(), max_pixels=MAX_PIXELS, upright=upright) for file in files])
    with torch.inference_mode():
        parts = [
            module(torch.from_numpy(pixels[first : first + BATCH])).numpy() for first in range(0, len(pixels), BATCH)
        ]
    np.savez(result, names=[file.name for file in files], pixels=pixels, embeddings=np.concatenate(parts))


main()
