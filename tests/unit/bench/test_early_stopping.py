from fractions import Fraction
from math import comb

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


def ranks(requests: int) -> Latencies:
    """Return latencies of 1, 2, 3, ... us, which a histogram keeps apart up to 2,047: each is its own rank."""
    return Latencies.of(np.arange(1, requests + 1) / 1e6)


def test_the_estimate_discards_as_many_as_loadgen_does() -> None:
    """LoadGen's report on 2,048 queries: 172 of them discarded for the 90th percentile."""
    found = estimate(ranks(2048), 0.9)
    assert found.ms == pytest.approx((2048 - 172) / 1e3, abs=1e-6)
    assert (found.requests, found.needed) == (2048, 64)


def exact_cdf(most: int, of: int, share: Fraction) -> Fraction:
    """Return the probability of `most` or fewer among `of`, without rounding anywhere."""
    return sum((comb(of, i) * share**i * (1 - share) ** (of - i) for i in range(most + 1)), start=Fraction(0))


@pytest.mark.parametrize("requests", [64, 65, 100, 103, 138, 172, 250, 399, 400])
def test_the_estimate_of_the_90th_percentile_is_the_exact_binomial_s_rank(requests: int) -> None:
    slow = max(t for t in range(1, requests) if exact_cdf(t, requests, Fraction(1, 10)) <= Fraction(1, 100))
    assert estimate(ranks(requests), 0.9).ms == pytest.approx((requests - slow + 1) / 1e3, abs=1e-6)


@pytest.mark.parametrize("requests", [662, 837, 838, 1000, 1001, 1500, 2047])
def test_the_estimate_of_the_99th_percentile_is_the_exact_binomial_s_rank(requests: int) -> None:
    slow = max(t for t in range(1, 30) if exact_cdf(t, requests, Fraction(1, 100)) <= Fraction(1, 100))
    assert estimate(ranks(requests), 0.99).ms == pytest.approx((requests - slow + 1) / 1e3, abs=1e-6)


def test_the_estimate_moves_by_a_rank_exactly_where_loadgen_discards_one_more() -> None:
    """LoadGen discards one for t slow queries from `fewest_within(t) + t` queries on, and not one query earlier."""
    for slow in range(2, 12):
        first = fewest_within(slow, 0.9) + slow
        assert estimate(ranks(first), 0.9).ms == pytest.approx((first - slow + 1) / 1e3, abs=1e-6)
        assert estimate(ranks(first - 1), 0.9).ms == pytest.approx((first - slow + 1) / 1e3, abs=1e-6)


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
