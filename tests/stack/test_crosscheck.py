"""A short form of `python -m bench.crosscheck`; docs/benchmark-checks.md has the long one's figures."""

import shutil
from pathlib import Path

import pytest

from bench.client.pool import Clients
from bench.crosscheck import ours, wrk
from bench.crosscheck.point import Point, compare
from bench.photos import load_photos
from tests.stack.stack import RunningStack

TOLERANCE = 0.3
"""Of some seconds on a shared machine; a wrong unit, a lost request or a second one in flight is off by a factor."""


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk (apt-get install wrk)")
def test_wrk_sees_the_same_throughput_and_latency(stack: RunningStack, backend: str) -> None:
    point, photos = Point("wrk", "pixels", 2), load_photos(Path(__file__).parents[2] / "photos", 8)
    mine, others = [], []
    with Clients(photos, 1) as clients:
        for seed in range(3):
            mine.append(ours.measure(clients, stack.url(backend), point, 2, seed))
            others.append(wrk.measure(stack.url(backend), point, photos, 2))
    assert not any(one.failures for one in (*mine, *others))
    compared = {one.figure: one.ratio for one in compare(mine, others)}
    assert compared["images_per_s"] == pytest.approx(1, abs=TOLERANCE)
    assert compared["p50_ms"] == pytest.approx(1, abs=TOLERANCE)
