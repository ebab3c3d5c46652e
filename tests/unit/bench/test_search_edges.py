"""The search's bound counts failures and single requests, and its 99th percentile is that of all windows of a rate."""

import pytest

from bench.scenarios import Scenario
from bench.search import kept, outcome
from bench.windows import Window
from tests.unit.bench.conftest import window

SERVER = Scenario(kind="server", input="pixels", in_flight=None)


def tried(latencies_ms: list[float], over: int, failures: int = 0) -> Window:
    return window(1, SERVER, "a", latencies_ms, failures, offered_per_s=10.0, over_bound=over)


@pytest.mark.parametrize(
    ("requests", "over", "failures", "keeps"),
    [(200, 3, 100, True), (200, 3, 99, False), (1, 0, 0, True), (50, 0, 0, True), (50, 1, 0, False), (0, 1, 1, False)],
)
def test_a_window_is_kept_by_all_that_were_asked(requests: int, over: int, failures: int, keeps: bool) -> None:
    assert kept(tried([10.0] * requests, over, failures)) is keeps


def test_the_99th_percentile_of_a_rate_is_that_of_all_its_windows() -> None:
    windows = [tried([float(ms) for ms in range(first, 201, 2)], 0) for first in (1, 2)]
    [found] = outcome(windows, 500).rates
    assert found.p99_ms == pytest.approx(198, rel=1e-3)
    assert (found.requests, found.per_s) == (200, 10)
