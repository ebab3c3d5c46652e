"""From an image file to the pixels that the model takes."""

from server.images.errors import ImageError
from server.images.orientation import orientation
from server.images.prepare import SIDE, prepare

__all__ = ["SIDE", "ImageError", "orientation", "prepare"]
