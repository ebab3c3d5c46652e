"""Latencies kept whole: HDR histograms in base64, and the figures taken from them."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

LOWEST_US, HIGHEST_US, DIGITS = 1, 3_600_000_000, 3


class Latencies:
    """Latencies in milliseconds, to three significant digits."""

    def __init__(self, histogram: HdrHistogram | None = None) -> None:
        """Begin with what `histogram` (microseconds) has, or empty."""
        self._histogram = histogram or HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)

    @classmethod
    def of(cls, latencies_s: npt.NDArray[np.float64]) -> "Latencies":
        """Take latencies in seconds."""
        made = cls()
        microseconds, counts = np.unique(np.maximum(1, np.rint(latencies_s * 1e6)).astype(np.int64), return_counts=True)
        for value, count in zip(microseconds.tolist(), counts.tolist(), strict=True):
            made._histogram.record_value(value, count)
        return made

    @classmethod
    def sum(cls, encoded: Iterable[str]) -> "Latencies":
        """Add up encoded histograms."""
        made = cls()
        for each in encoded:
            made._histogram.decode_and_add(each)
        return made

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._histogram.get_total_count())

    @property
    def encoded(self) -> str:
        """V2 encoding with zlib, base64."""
        return str(self._histogram.encode().decode("ascii"))

    @property
    def mean_ms(self) -> float | None:
        """Mean."""
        if not self.count:
            return None
        # the library's own takes a tenth of a second, which is too long after every window
        counts = np.array(self._histogram.counts)
        held = np.flatnonzero(counts)
        return round(sum(int(counts[index]) * self._middle_us(int(index)) for index in held) / self.count / 1e3, 4)

    def _middle_us(self, index: int) -> float:
        value = self._histogram.get_value_from_index(index)
        low, high = (
            self._histogram.get_lowest_equivalent_value(value),
            self._histogram.get_highest_equivalent_value(value),
        )
        return (float(low) + float(high)) / 2

    def rank_ms(self, rank: int) -> float:
        """Return the `rank`-th smallest, counted from 1."""
        # the library rounds percent * count to the nearest integer
        return float(self._histogram.get_value_at_percentile(100 * rank / self.count)) / 1e3

    def percentile_ms(self, percent: float) -> float | None:
        """Return the nearest-rank percentile: a latency that was seen. None of none."""
        if not self.count:
            return None
        return self.rank_ms(max(1, math.ceil(percent / 100 * self.count - 1e-9)))

    def percentiles_ms(self, percents: Sequence[float]) -> dict[str, float]:
        """Return several, by their percentages in words; empty of none."""
        found = {f"{percent:g}": self.percentile_ms(percent) for percent in percents}
        return {name: value for name, value in found.items() if value is not None}
