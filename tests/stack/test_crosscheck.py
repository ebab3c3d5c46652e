"""What must hold of our load generator and of wrk on the real servers, however busy the machine is.

That their figures agree within 10 % takes a quiet machine: `python -m bench.crosscheck`, docs/benchmark-checks.md.
"""

import shutil
from pathlib import Path

import httpx
import pytest

from bench.client.pool import Clients
from bench.crosscheck import ours, wrk
from bench.crosscheck.point import Figures, Point
from bench.photos import PhotoSet, load_photos
from server.oip.counters import read_counters
from tests.stack.stack import RunningStack

pytestmark = pytest.mark.parametrize("backend", ["pytorch", "onnx"])

IN_FLIGHT = 2
POINT = Point("wrk", "pixels", IN_FLIGHT)
SECONDS = 6


@pytest.fixture(scope="module")
def photos() -> PhotoSet:
    return load_photos(Path(__file__).parents[2] / "photos", 8)


def served(url: str) -> int:
    return read_counters(httpx.get(f"{url}/v2/models/openclip_vit_b32/stats").json()).successes


def obeys_littles_law(found: Figures) -> bool:
    """Whether rate times mean latency is what was in flight, but for what was on its way at the end and is not counted."""
    in_flight = found.images_per_s * found.mean_ms / 1e3
    uncounted = IN_FLIGHT * found.p99_ms / 1e3 / SECONDS
    return 0.85 * IN_FLIGHT - 2 * uncounted <= in_flight <= 1.05 * IN_FLIGHT


def test_our_rate_and_latency_are_those_of_as_many_in_flight(
    stack: RunningStack, backend: str, photos: PhotoSet
) -> None:
    url = stack.url(backend)
    before = served(url)
    with Clients(photos, 1) as clients:
        found = ours.measure(clients, url, POINT, SECONDS, seed=1)
    assert found.failures == 0
    assert served(url) - before >= found.requests  # and those before and behind the window
    assert obeys_littles_law(found)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk (apt-get install wrk)")
def test_wrk_counts_what_the_server_counts(stack: RunningStack, backend: str, photos: PhotoSet) -> None:
    url = stack.url(backend)
    before = served(url)
    found = wrk.measure(url, POINT, photos, SECONDS)
    assert found.failures == 0
    assert 0 <= served(url) - before - found.requests <= 2 * IN_FLIGHT  # those on their way at its end
    assert found.p99_ms >= found.p50_ms > 0  # wrk corrects them for coordinated omission, so Little's law need not hold
