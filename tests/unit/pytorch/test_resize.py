"""The GPU's resize, here on the CPU, is Pillow's to within the rounding of one level per pass."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from server.images.bundled import bundled_photos
from server.images.prepare import prepare
from server.pytorch.engine.resize import _weights, resize_and_crop


@pytest.mark.parametrize(
    "size", [(224, 224), (640, 480), (481, 641), (1000, 230), (224, 900), (1920, 1080), (6000, 240)]
)
def test_as_pillow(size: tuple[int, int], tmp_path) -> None:
    with Image.open(bundled_photos()[0]) as photo:
        image = photo.convert("RGB").resize(size)
    images = [image, ImageOps.invert(image)]
    found = resize_and_crop(
        torch.stack([torch.from_numpy(np.asarray(each).transpose(2, 0, 1).copy()) for each in images])
    )
    assert found.shape == (2, 3, 224, 224)
    for row, each in zip(found.numpy(), images, strict=True):
        each.save(tmp_path / "image.png")
        expected = prepare((tmp_path / "image.png").read_bytes(), max_pixels=10**8)
        difference = np.abs(row.astype(int) - expected.astype(int))
        assert difference.max() <= 2
        assert difference.mean() < 0.02


@pytest.mark.parametrize("size", [(65_535, 366), (366, 65_535)])
def test_weights_are_kept_for_the_used_part_alone(size: tuple[int, int]) -> None:
    columns, _, rows, _ = _weights(*size, torch.device("cpu"))
    assert columns.numel() + rows.numel() < 224 * 2 * 400
