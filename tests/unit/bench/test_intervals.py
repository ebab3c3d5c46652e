"""The intervals are those of the distributions that they are named after."""

import numpy as np
import pytest
from scipy import stats

from bench.intervals import median_interval, paired_ratio

WORDS = r"^5 or more rounds of positive figures on both sides are needed$"


def quantile_of_medians(values: list[float], share: float) -> float:
    """Return a quantile of the medians of all resamples: the k-th value is reached when more than half are at most it."""
    n = len(values)
    reached = [stats.binom.sf(n // 2, n, k / n) for k in range(1, n + 1)]
    return sorted(values)[int(np.searchsorted(reached, share))]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_median_s_interval_has_its_percentiles_over_all_resamples(seed: int) -> None:
    values = [float(2**k) for k in (3, 1, 9, 7, 5, 0, 8, 2, 6, 4, 10, 11, 12)]
    found = median_interval(values, seed)
    assert found == (quantile_of_medians(values, 0.025), quantile_of_medians(values, 0.975))


def test_the_same_seed_gives_the_same_interval() -> None:
    values = list(np.random.default_rng(5).normal(100, 10, 100))
    assert [median_interval(values, seed) for seed in (1, 2, 3)] == [
        median_interval(values, seed) for seed in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([1.0] * 5, [1.0] * 6),
        ([1.0] * 4, [1.0] * 4),
        ([1.0, 1, 1, 1, 0], [1.0] * 5),
        ([1.0] * 5, [1.0, 1, 1, 1, -1]),
    ],
)
def test_only_five_pairs_or_more_of_positive_figures_have_a_ratio(ours: list[float], theirs: list[float]) -> None:
    with pytest.raises(ValueError, match=WORDS):
        paired_ratio(ours, theirs)


def test_figures_below_one_have_a_ratio_too() -> None:
    found = paired_ratio([0.4, 0.2, 0.1, 0.8, 0.5, 0.3], [0.2, 0.1, 0.05, 0.4, 0.25, 0.15])
    assert (found.low, found.value, found.high) == pytest.approx((2, 2, 2))


def test_the_interval_of_a_ratio_is_that_of_a_paired_t_test_of_logarithms() -> None:
    ours, theirs = [3.0, 5.0, 4.0, 6.0, 3.5, 8.0], [2.0, 4.0, 2.5, 7.0, 3.0, 4.0]
    interval = stats.ttest_rel(np.log(ours), np.log(theirs)).confidence_interval(0.99)
    found = paired_ratio(ours, theirs)
    assert (found.low, found.high) == pytest.approx((np.exp(interval.low), np.exp(interval.high)))
    assert found.value == pytest.approx(np.exp(np.mean(np.log(ours) - np.log(theirs))))


def test_an_interval_ends_at_medians_that_were_drawn_and_not_between_them() -> None:
    values = [1.21, 0.82, 2.61, 1.17, 0.45, 1.72, 7.07, 4.14, 0.35, 0.15]
    medians = {(a + b) / 2 for a in values for b in values}
    assert set(median_interval(values, 1)) <= medians
