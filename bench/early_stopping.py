"""MLPerf's early stopping: what may be said of a percentile after so many queries.

Source: MLPerf Inference rules, "Early Stopping Criterion", and LoadGen's `early_stopping.cc` and `results.cc`
(github.com/mlcommons/inference). With h queries within the latency and t above it, the claim "a share p is within" holds
with confidence c when t or fewer slow ones among h + t would be seen with a probability of at most 1 - c if the share were
exactly p: BinomialCDF(t; h + t, 1 - p) <= 1 - c. LoadGen has c = 0.99 and no tolerance, and so have we.
"""

from functools import lru_cache

from scipy import stats

from bench.histogram import Latencies
from bench.points import Estimate

CONFIDENCE = 0.99


@lru_cache(maxsize=4096)
def fewest_within(over: int, share: float) -> int:
    """Return the fewest queries within the latency that make up for `over` slower ones, LoadGen's h for its t.

    Args:
        over: queries above the latency.
        share: of queries that are claimed to be within it, such as 0.99.
    """
    low, high = 0, 1
    while not _enough(high, over, share):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _enough(middle, over, share) else (middle, high)
    return high


def _enough(within: int, over: int, share: float) -> bool:
    return bool(stats.binom.cdf(over, within + over, 1 - share) <= 1 - CONFIDENCE)


def passes(requests: int, over: int, share: float) -> bool:
    """Tell whether `requests` of which `over` were too slow prove the claim (LoadGen's test in Server)."""
    return requests >= fewest_within(over, share) + over


def estimate(latencies: Latencies, share: float) -> Estimate:
    """Return MLPerf's estimate of a percentile (LoadGen's in SingleStream): it is not higher, with 99 % confidence.

    The estimate is the t-th largest latency, t being the largest number for which the t-th largest could be discarded:
    `requests >= fewest_within(t) + t`. The fewest requests are those for t = 1: 64 for the 90th percentile, 662 for the
    99th.
    """
    requests, needed = latencies.count, fewest_within(1, share) + 1
    if requests < needed:
        return Estimate(ms=None, requests=requests, needed=needed)
    low, high = 1, requests  # low passes, high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(requests, middle, share) else (low, middle)
    return Estimate(ms=latencies.rank_ms(requests - low + 1), requests=requests, needed=needed)
