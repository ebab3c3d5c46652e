"""Which paths of port 8002 the console answers, and which of them need no key: one table for it and for whoever serves the port."""

from pathlib import Path

from server.home import PHOTOS, ROOT

STATIC = ROOT / "server" / "console" / "static"
INDEX = "index.html"
SAMPLES = ("raccoon.jpg", "raccoon-portrait.jpg", "cat.jpg", "astronaut.jpg", "coffee.jpg", "rocket-launch.jpg", "brick-wall.jpg", "stairs.jpg")  # fmt: skip
"""Bundled photos to try, two near-duplicates first."""

PICTURES = {".svg": "image/svg+xml", ".png": "image/png"}

FILES: dict[str, Path] = {
    "/": STATIC / INDEX,
    **{f"/page/{file.name}": file for file in sorted(STATIC.iterdir()) if file.suffix in {".css", ".js", ".svg"}},
    **{f"/page/photos/{name}": PHOTOS / name for name in SAMPLES},
}
"""The status page's own files by their paths."""

THUMBNAILS: dict[str, Path] = {f"/page/thumbnails/{name}": PHOTOS / name for name in SAMPLES}
"""Photos that are served smaller, by their paths."""

GUIDE: dict[str, Path] = {
    f"/guide/{file.name}": file
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*")))
    if file.is_file() and file.suffix in {".md", *PICTURES}
}
"""The project's own documents and their pictures by their paths; none where they were left out."""

OPEN = (*FILES, *THUMBNAILS, *GUIDE)
"""What needs no key: the page without anything that it shows, and the documents."""

READY = "/ready"
TRY = "/try"
KEEP = "/keep"
BEHIND_KEY = (READY, "/live", TRY, "/benchmark", "/report", "/gpu-info", KEEP)

CONTAINER_METRICS = "/metrics/container"
OPENAPI = "/openapi.json"
ALIVE = "/health"
"""These three are for the stack itself: whoever serves the port makes them part of its own, or looks whether the console lives."""
