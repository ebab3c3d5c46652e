"""The photos that ship with the repository: the gate's probes and the quick benchmark's input."""

from pathlib import Path

from server.home import PHOTOS


def bundled_photos() -> list[Path]:
    """Return the bundled JPEG files, sorted by name."""
    return sorted(PHOTOS.glob("*.jpg"))
