"""Turning images on a GPU by their EXIF orientation."""

from torch import Tensor

WIDTH, HEIGHT = -1, -2

TURNS: dict[int, tuple[bool, tuple[int, ...]]] = {
    1: (False, ()),
    2: (False, (WIDTH,)),
    3: (False, (WIDTH, HEIGHT)),
    4: (False, (HEIGHT,)),
    5: (True, ()),
    6: (True, (WIDTH,)),
    7: (True, (WIDTH, HEIGHT)),
    8: (True, (HEIGHT,)),
}
"""By orientation: whether rows become columns, and which axes are then mirrored."""


def upright(images: Tensor, orientation: int) -> Tensor:
    """Return images `[N, 3, H, W]` of one orientation, 1 to 8, as they are to be seen."""
    swapped, mirrored = TURNS[orientation]
    if swapped:
        images = images.transpose(WIDTH, HEIGHT)
    return images.flip(mirrored) if mirrored else images
