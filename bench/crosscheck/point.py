"""What is compared."""

from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench.scenarios import Input

Instrument = Literal["wrk", "LoadGen"]
BAR = 0.10
"""Largest difference between the two instruments, as a part of theirs."""


@dataclass(frozen=True)
class Point:
    """One load: batch 1 over HTTP.

    Attributes:
        instrument: that measures it beside ours.
        input: what is sent.
        in_flight: requests in flight of a closed loop; connections of an open one.
        per_s: Poisson arrivals per second of an open loop; None: closed.
    """

    instrument: Instrument
    input: Input
    in_flight: int
    per_s: float | None = None

    @property
    def title(self) -> str:
        """Name for people."""
        kind = f"server, {self.per_s:.3g} a second" if self.per_s else f"{self.in_flight} in flight"
        return f"{self.instrument}, {self.input}, {kind}"


@dataclass(frozen=True)
class Figures:
    """One instrument's account of one window: requests answered and failed, images a second, latencies."""

    requests: int
    failures: int
    images_per_s: float
    p50_ms: float
    p90_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Comparison:
    """One figure of both instruments, each the median over the rounds.

    Attributes:
        judged: whether the bar holds for it; a 99th percentile of some hundred requests is a matter of a few of them.
    """

    figure: str
    ours: float
    theirs: float
    judged: bool

    @property
    def ratio(self) -> float:
        """Ours by theirs."""
        return self.ours / self.theirs

    @property
    def agrees(self) -> bool:
        """Whether they are within the bar of each other."""
        return abs(self.ratio - 1) <= BAR


FIGURES = {"images_per_s": True, "p50_ms": True, "p90_ms": True, "p99_ms": False}


def compare(ours: list[Figures], theirs: list[Figures]) -> list[Comparison]:
    """Compare the rounds of one point."""
    return [
        Comparison(
            name, median(getattr(one, name) for one in ours), median(getattr(one, name) for one in theirs), judged
        )
        for name, judged in FIGURES.items()
    ]
