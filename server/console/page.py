"""The status page's own files: read once, small, the same for everybody, and nothing in them is secret."""

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from server.console_paths import FILES, THUMBNAILS

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
}
THUMBNAIL = (96, 72)


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    data: bytes
    media_type: str

    @property
    def tag(self) -> str:
        """Its entity tag."""
        return f'"{hashlib.sha256(self.data).hexdigest()[:16]}"'


@cache
def files() -> dict[str, Asset]:
    """Return the files by the path at which they are served."""
    found = {path: Asset(file.read_bytes(), TYPES[file.suffix]) for path, file in FILES.items()}
    return found | {path: Asset(_thumbnail(file), TYPES[".jpg"]) for path, file in THUMBNAILS.items()}


def _thumbnail(path: Path) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.draft("RGB", THUMBNAIL)
        image.thumbnail(THUMBNAIL)
        image.convert("RGB").save(buffer, "JPEG", quality=70, optimize=True)
    return buffer.getvalue()
