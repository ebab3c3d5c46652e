import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.histogram import Latencies

SECONDS = st.lists(st.floats(1e-5, 100), min_size=1, max_size=60)


@settings(max_examples=40, deadline=None)
@given(seconds=SECONDS, percent=st.floats(0, 100))
def test_a_percentile_is_the_nearest_rank_to_three_digits(seconds: list[float], percent: float) -> None:
    found = Latencies.of(np.array(seconds)).percentile_ms(percent)
    exact = np.percentile(np.array(seconds) * 1e3, percent, method="inverted_cdf")
    assert found == pytest.approx(exact, rel=2e-3, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(one=SECONDS, other=SECONDS)
def test_histograms_add_up(one: list[float], other: list[float]) -> None:
    added = Latencies.sum(Latencies.of(np.array(each)).encoded for each in (one, other))
    both = Latencies.of(np.array([*one, *other]))
    assert added.count == len(one) + len(other)
    assert [added.rank_ms(i) for i in range(1, added.count + 1)] == [both.rank_ms(i) for i in range(1, added.count + 1)]


@settings(max_examples=40, deadline=None)
@given(seconds=SECONDS)
def test_the_mean_is_right_to_three_digits(seconds: list[float]) -> None:
    assert Latencies.of(np.array(seconds)).mean_ms == pytest.approx(np.mean(seconds) * 1e3, rel=2e-3, abs=1e-3)


def test_nothing_has_no_percentiles() -> None:
    empty = Latencies.of(np.zeros(0))
    assert (empty.count, empty.percentile_ms(50), empty.mean_ms, empty.percentiles_ms([50])) == (0, None, None, {})
