"""From the bytes that somebody sent to what is decoded of them: nothing that no pixel needs reaches a decoder."""

import io
from dataclasses import dataclass
from functools import partial

from PIL import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from server.images import jpeg, png, webp
from server.images.errors import ImageError

READERS: dict[str, type[ImageFile.ImageFile]] = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WebP": WebPImageFile}


@dataclass(frozen=True)
class UsedFile:
    """An image file of a `kind` of `READERS`, without its metadata.

    Attributes:
        size: width and height as the header has them, for a kind whose reader takes memory for them at once; else zeros.
        reducible: whether it can be decoded at a reduced size.
    """

    kind: str
    data: bytes | memoryview
    size: tuple[int, int] = (0, 0)
    reducible: bool = False

    def open(self) -> ImageFile.ImageFile:
        """Read the header with Pillow, which raises anything for what is damaged."""
        return READERS[self.kind](io.BytesIO(self.data))


def files_to_decode(data: bytes | memoryview) -> list[UsedFile]:
    """Return what to decode: one file, or several that must give the same pixels for `data` to be complete.

    Raises:
        ImageError: it is empty, of another format, or a JPEG of a kind, or of more scans, than is decoded.
    """
    start = bytes(data[:12])
    if start.startswith(png.SIGNATURE):
        return [UsedFile("PNG", png.without_metadata(data))]
    if start.startswith(webp.START) and start.endswith(webp.KIND):
        return [UsedFile("WebP", data, webp.canvas(data))]
    if start.startswith(jpeg.START + b"\xff"):
        frame = jpeg.frame(data)
        if frame and frame.unsupported:
            raise ImageError(f"{frame.unsupported}; expected a sequential or progressive JPEG of 8 bits a sample")
        if jpeg.has_too_many_scans(data):
            raise ImageError(f"JPEG of more than {jpeg.MOST_SCANS} scans; encoders make 10 or so")
        used = partial(UsedFile, "JPEG", reducible=bool(frame and frame.reducible))
        return [used(file) for file in jpeg.completions(jpeg.without_metadata(data))]
    raise ImageError(
        f"not a JPEG, PNG or WebP image ({len(data)} bytes)" if data else "empty; expected a JPEG, PNG or WebP file"
    )
