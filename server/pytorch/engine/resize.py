"""Pillow's bicubic resize and open_clip's centre crop on a GPU, as two products with sparse matrices of weights.

Pillow resizes in two passes, columns first, and rounds to 8 bits after each; so does this, and only the rows and columns
that the crop keeps are computed. FP16 holds every 8-bit value, the products are summed in FP32, and the weights' 11
bits leave at most one or two levels of difference to Pillow (docs/performance.md has the measured errors).

The weights are Pillow's (`Resample.c`): a cubic of a = -0.5, stretched by the scale when it shrinks, cut off at its
support and normalised.
"""

from functools import lru_cache

import torch
from torch import Tensor

from server.images.prepare import SIDE, resized
from server.images.resample import CUBIC_A, CUBIC_SUPPORT

KEPT_SIZES = 32
"""Image sizes whose weights are kept; at most 5 MB each for 24 megapixels, however long and thin."""


def resize_and_crop(images: Tensor) -> Tensor:
    """Return UINT8 `[N, 3, 224, 224]` of images of one size, UINT8 `[N, 3, H, W]`, on the same device."""
    height, width = images.shape[-2:]
    columns, left, rows, top = _weights(width, height, images.device)
    used = images[..., top : top + rows.shape[1], left : left + columns.shape[0]]
    narrowed = (used.to(columns.dtype) @ columns).round_().clamp_(0, 255)
    return torch.matmul(rows, narrowed).round_().clamp_(0, 255).to(torch.uint8)


@lru_cache(KEPT_SIZES)
def _weights(width: int, height: int, device: torch.device) -> tuple[Tensor, int, Tensor, int]:
    """Return what to multiply the used part of an image with, and where that begins.

    That is `[w, 224]` from the right for the `w` columns from `left`, and `[224, h]` from the left for the `h` rows from `top`, in
    FP16; FP32 on a CPU, which lacks FP16.
    """
    new_width, new_height = resized(width, height)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    columns, left = _axis(width, new_width, device)
    rows, top = _axis(height, new_height, device)
    return columns.to(dtype).T.contiguous(), left, rows.to(dtype), top


def _axis(size: int, new_size: int, device: torch.device) -> tuple[Tensor, int]:
    """Return FP64 `[224, used]`, the weights of the input pixels for each output pixel that the crop keeps, and the first used."""
    scale = size / new_size
    stretch = max(scale, 1.0)
    first = round((new_size - SIDE) / 2.0)
    centres = (torch.arange(first, first + SIDE, dtype=torch.float64, device=device) + 0.5) * scale
    support = CUBIC_SUPPORT * stretch
    low = (centres - support + 0.5).floor().clamp(min=0)[:, None]
    high = (centres + support + 0.5).floor().clamp(max=size)[:, None]
    begin, end = int(low[0]), int(high[-1])
    pixels = torch.arange(begin, end, dtype=torch.float64, device=device)
    distance = ((pixels - centres[:, None] + 0.5) / stretch).abs()
    near = ((CUBIC_A + 2) * distance - (CUBIC_A + 3)) * distance**2 + 1
    far = CUBIC_A * (((distance - 5) * distance + 8) * distance - 4)
    cubic = torch.where(distance < 1, near, torch.where(distance < CUBIC_SUPPORT, far, 0.0))
    cubic = torch.where((pixels >= low) & (pixels < high), cubic, 0.0)
    return cubic / cubic.sum(dim=1, keepdim=True), begin
