"""The other instruments measure a server whose delays are known: that they are used rightly, not that they are right."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.crosscheck import loadgen, wrk
from bench.crosscheck.point import Comparison, Figures, Point, compare
from bench.errors import BenchError
from bench.photos import PhotoSet, load_photos
from bench.scenarios import Input
from tests.doubles.running import sleeping_server

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk (apt-get install wrk)")


@pytest.fixture(scope="module")
def photos() -> PhotoSet:
    return load_photos(Path(__file__).parents[4] / "photos", 3)


def given_ms(delays: list[dict[str, float]], percent: float) -> float:
    return float(np.percentile([delay["given_ms"] for delay in delays], percent))


@needs_wrk
@pytest.mark.parametrize("kind", ["encoded", "pixels"])
def test_wrk_sends_requests_that_a_server_takes(photos: PhotoSet, kind: Input) -> None:
    with sleeping_server(mean_ms=50, distribution="lognormal") as server:
        found = wrk.measure(server.url, Point("wrk", kind, 4), photos, 2)
        delays = server.delays()
    assert found.failures == 0
    assert 0 <= len(delays) - found.requests <= 4  # those on their way when the time was over
    assert found.p50_ms >= 0.9 * given_ms(delays, 50)
    assert found.p99_ms >= found.p90_ms >= found.p50_ms


@pytest.mark.parametrize("point", [Point("LoadGen", "encoded", 1), Point("LoadGen", "pixels", 4, per_s=40.0)])
def test_loadgen_sends_requests_that_a_server_takes(photos: PhotoSet, point: Point) -> None:
    with sleeping_server(mean_ms=20, distribution="lognormal") as server:
        found = loadgen.measure(server.url, point, photos, 2, seed=1)
        delays = server.delays()
    assert found.failures == 0
    assert found.requests == len(delays) > 10
    for percent, measured in ((50, found.p50_ms), (90, found.p90_ms), (99, found.p99_ms)):
        assert measured >= 0.9 * given_ms(delays, percent)


def test_what_a_server_refuses_is_counted(photos: PhotoSet) -> None:
    with sleeping_server(mean_ms=1) as server:
        nowhere = f"{server.url}/no/such/path"
        assert loadgen.measure(nowhere, Point("LoadGen", "encoded", 1), photos, 1, seed=1).failures


@needs_wrk
def test_wrk_that_reaches_nobody_says_so(photos: PhotoSet) -> None:
    with pytest.raises(BenchError, match=r"wrk gave no figures: .*connect"):
        wrk.measure("http://127.0.0.1:1", Point("wrk", "encoded", 1), photos, 1)


def test_loadgen_has_no_closed_loop_of_many(photos: PhotoSet) -> None:
    with pytest.raises(BenchError, match="one request in flight, not 8"):
        loadgen.measure("http://127.0.0.1:1", Point("LoadGen", "encoded", 8), photos, 1, seed=1)


def test_medians_of_the_rounds_are_compared() -> None:
    def figures(p50_ms: float) -> Figures:
        return Figures(100, 0, 1e3 / p50_ms, 5.0, p50_ms, 2 * p50_ms, 9.0)

    ours, theirs = [figures(10), figures(11.5), figures(50)], [figures(10), figures(10), figures(1)]
    rate, mean, p50, p90, p99 = compare(Point("wrk", "pixels", 8), ours, theirs)
    assert (p50.ours, p50.theirs, p50.ratio, p50.agrees) == (11.5, 10, 1.15, False)
    assert (rate.agrees, p90.agrees, p99.agrees) == (False, False, True)
    assert [one.judged for one in (rate, mean, p50, p90, p99)] == [True, True, True, True, False]
    assert not compare(Point("LoadGen", "pixels", 8, per_s=3.0), ours, theirs)[0].judged
    assert Comparison("p50_ms", 9.1, 10, judged=True).agrees
