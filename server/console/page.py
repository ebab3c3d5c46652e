"""The status page's own files: read once, small, the same for everybody, and nothing in them is secret."""

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from server.home import ROOT
from server.images.bundled import FOLDER as PHOTOS

FOLDER = ROOT / "server" / "console" / "static"
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    # A report that is fetched with a key is shown from memory and inherits this; its style is within it.
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # asked for again with its tag, so that an upgrade is seen at once
}
SAMPLES = ("raccoon.jpg", "raccoon-portrait.jpg", "cat.jpg", "astronaut.jpg", "coffee.jpg", "rocket-launch.jpg", "brick-wall.jpg", "stairs.jpg")  # fmt: skip
"""Bundled photos to try, two near-duplicates first."""

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
    found = {
        f"/page/{path.name}": Asset(path.read_bytes(), TYPES[path.suffix])
        for path in sorted(FOLDER.iterdir())
        if path.suffix in TYPES and path.name != INDEX
    }
    found["/"] = Asset((FOLDER / INDEX).read_bytes(), TYPES[".html"])
    for name in SAMPLES:
        found[f"/page/photos/{name}"] = Asset((PHOTOS / name).read_bytes(), "image/jpeg")
        found[f"/page/thumbnails/{name}"] = Asset(_thumbnail(PHOTOS / name), "image/jpeg")
    return found


def _thumbnail(path: Path) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.draft("RGB", THUMBNAIL)
        image.thumbnail(THUMBNAIL)
        image.convert("RGB").save(buffer, "JPEG", quality=70, optimize=True)
    return buffer.getvalue()
