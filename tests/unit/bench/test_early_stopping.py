import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bench.early_stopping import CONFIDENCE, estimate, fewest_within, passes
from bench.histogram import Latencies


@pytest.mark.parametrize(("over", "share", "fewest"), [(0, 0.99, 459), (1, 0.9, 63), (1, 0.99, 661)])
def test_the_fewest_queries_are_loadgen_s(over: int, share: float, fewest: int) -> None:
    """LoadGen's own reports say 459 for Server, 64 and 662 in all for the estimates of SingleStream."""
    assert fewest_within(over, share) == fewest


@settings(max_examples=40, deadline=None)
@given(over=st.integers(0, 200), share=st.sampled_from([0.9, 0.97, 0.99]))
def test_one_query_fewer_would_not_do(over: int, share: float) -> None:
    within = fewest_within(over, share)
    assert stats.binom.cdf(over, within + over, 1 - share) <= 1 - CONFIDENCE
    assert stats.binom.cdf(over, within + over - 1, 1 - share) > 1 - CONFIDENCE


def test_the_estimate_discards_as_many_as_loadgen_does() -> None:
    """LoadGen's report on 2,048 queries: 172 of them discarded for the 90th percentile."""
    latencies = Latencies.of(np.arange(1, 2049) / 1e3)
    found = estimate(latencies, 0.9)
    assert found.ms == pytest.approx(2048 - 172, rel=1e-3)
    assert (found.requests, found.needed) == (2048, 64)


def test_too_few_queries_give_no_estimate() -> None:
    assert estimate(Latencies.of(np.full(63, 0.01)), 0.9).ms is None
    assert estimate(Latencies.of(np.full(64, 0.01)), 0.9).ms == pytest.approx(10, rel=1e-2)


def test_the_estimate_is_rarely_below_the_true_percentile() -> None:
    """With a confidence of 99 %: 400 runs of 300 queries each of an exponential distribution."""
    random, true_ms = np.random.default_rng(5), -10 * np.log(0.1)
    found = [estimate(Latencies.of(random.exponential(0.01, 300)), 0.9).ms for _ in range(400)]
    assert np.mean([ms < true_ms for ms in found if ms]) <= 0.02


def test_a_claim_of_99_percent_takes_459_queries_or_more_for_the_slow_ones() -> None:
    assert [passes(requests, 0, 0.99) for requests in (458, 459)] == [False, True]
    assert not passes(1000, 10, 0.99)
    assert passes(10_000, 70, 0.99)
