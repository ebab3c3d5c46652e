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


def test_what_takes_less_than_a_microsecond_takes_one_and_the_rest_the_nearest() -> None:
    assert Latencies.of(np.array([1e-9, 4e-7])).rank_ms(2) == 0.001
    assert [Latencies.of(np.array([us * 1e-6])).rank_ms(1) for us in (1.4, 1.6, 999.4)] == [0.001, 0.002, 0.999]
    assert Latencies.of(np.array([3500.0])).rank_ms(1) == pytest.approx(3.5e6, rel=1e-3), "an hour is the longest"


def test_a_rank_is_counted_from_the_smallest() -> None:
    found = Latencies.of(np.arange(1, 101) / 1e5)  # 0.01 to 1 ms, all of them exact
    assert [found.rank_ms(rank) for rank in (1, 2, 50, 100)] == [0.01, 0.02, 0.5, 1.0]
    assert [found.percentile_ms(percent) for percent in (0, 1, 1.5, 50, 99, 99.9, 100)] == [
        0.01, 0.01, 0.02, 0.5, 0.99, 1.0, 1.0,
    ]  # fmt: skip
    assert found.percentiles_ms((50, 99.9)) == {"50": 0.5, "99.9": 1.0}
    three = Latencies.of(np.array([1e-5, 2e-5, 3e-5]))
    assert three.percentile_ms(100 / 3) == 0.01, "a third of three is one, however it is computed"


def test_the_mean_weighs_each_latency_by_how_often_it_was_seen() -> None:
    assert Latencies.of(np.array([1e-5, 1e-5, 1e-5, 2e-5])).mean_ms == 0.0125
    assert Latencies.of(np.array([1e-5, 1e-5, 2e-5])).mean_ms == 0.0133
    coarse = Latencies.of(np.array([0.1, 0.1]))  # in steps of 64 us, of which the middle is taken
    assert coarse.mean_ms == pytest.approx(100, abs=0.033)
    assert coarse.mean_ms != 100
    assert coarse.count == 2
