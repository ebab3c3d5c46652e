"""What can be wrong with an image that somebody sent."""


class ImageError(ValueError):
    """An image cannot be used; the message says what was found and what was expected, for the person who sent it."""

    def in_item(self, name: str) -> "ImageError":
        """Return this error with the item it is about in front, e.g. `encoded_image[3]`."""
        return ImageError(f"{name}: {self}")
