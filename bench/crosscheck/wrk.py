"""wrk, an HTTP load generator in C, at a point."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.client.bodies import make_body
from bench.crosscheck.point import Figures, Point
from bench.errors import BenchError
from bench.photos import PhotoSet

SCRIPT = Path(__file__).with_name("post.lua")
MARK = "crosscheck "
GRACE_S = 60


def measure(url: str, point: Point, photos: PhotoSet, seconds: float) -> Figures:
    """Run wrk for `seconds` with one thread and the point's connections, sending the photos in turn.

    Raises:
        BenchError: wrk is not installed, or fails.
    """
    program = shutil.which("wrk")
    if program is None:
        raise BenchError("wrk is not installed; apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="bakeoff-wrk-") as folder:
        manifest = _bodies(Path(folder), point, photos)
        done = subprocess.run(
            [program, "-t1", f"-c{point.in_flight}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", str(SCRIPT), url,
             "--", str(manifest)],
            capture_output=True, text=True, timeout=seconds + GRACE_S, check=False,
        )  # fmt: skip
    return parse(done.stdout, done.stderr)


def parse(output: str, errors: str = "") -> Figures:
    """Read the figures from what wrk and our script print.

    Raises:
        BenchError: there are none.
    """
    lines = [line.removeprefix(MARK) for line in output.splitlines() if line.startswith(MARK)]
    if not lines:
        raise BenchError(f"wrk gave no figures: {' '.join((errors or output).split())[:300]}")
    told = json.loads(lines[-1])
    return Figures(
        requests=told["requests"],
        failures=told["failures"],
        images_per_s=told["requests"] / told["duration_us"] * 1e6,
        p50_ms=told["p50_us"] / 1e3,
        p90_ms=told["p90_us"] / 1e3,
        p99_ms=told["p99_us"] / 1e3,
    )


def _bodies(folder: Path, point: Point, photos: PhotoSet) -> Path:
    lines = []
    for index in range(len(photos.photos)):
        body = make_body(point.input, "http", photos.rotation(index, 1))
        file = folder / str(index)
        file.write_bytes(body.data)
        lines.append(f"/v2/models/{body.model}/infer {body.header_length} {file}\n")
    manifest = folder / "manifest"
    manifest.write_text("".join(lines))
    return manifest
