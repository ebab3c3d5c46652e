"""How long the sleeping server takes for a request, and when it is free: the theory that a client is checked against."""

import math
import random
from dataclasses import dataclass, field
from typing import Literal

Distribution = Literal["constant", "lognormal", "exponential"]


@dataclass(frozen=True)
class Stall:
    """One pause of the whole server: nothing is worked on from `after_s` seconds behind the first request."""

    after_s: float
    seconds: float


@dataclass
class Service:
    """Service times and their order.

    Attributes:
        mean_ms: mean service time.
        distribution: of the service times; `lognormal` has the shape `sigma`.
        seed: two services with one seed draw the same times in the same order.
        one_at_a_time: requests wait for each other in the order of their arrival (M/D/1 with Poisson arrivals and
            constant times); otherwise each is served at once.
        slower_percent: lengthens every service time.
        stall: the pause, if any.
    """

    mean_ms: float
    distribution: Distribution = "constant"
    sigma: float = 0.5
    seed: int = 0
    one_at_a_time: bool = False
    slower_percent: float = 0.0
    stall: Stall | None = None
    _random: random.Random = field(init=False, repr=False)
    _free_at: float = field(default=-math.inf, init=False, repr=False)
    _stalled: tuple[float, float] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def schedule(self, arrived: float) -> tuple[float, float]:
        """Return when the request that arrived at `arrived` begins to be served, and when its answer is due (seconds).

        To be called once a request, in the order of their arrivals.
        """
        if self.stall and self._stalled is None:
            begin = arrived + self.stall.after_s
            self._stalled = begin, begin + self.stall.seconds
        start = max(arrived, self._free_at) if self.one_at_a_time else arrived
        due = start + self._draw_s()
        if self._stalled:
            stalled, over = self._stalled
            if stalled <= start < over:
                start, due = over, due + over - start
            elif start < stalled < due:
                due += over - stalled
        self._free_at = due
        return start, due

    def _draw_s(self) -> float:
        mean = self.mean_ms / 1e3 * (1 + self.slower_percent / 100)
        if self.distribution == "constant":
            return mean
        if self.distribution == "exponential":
            return self._random.expovariate(1 / mean)
        # the mean of exp(N(m, s)) is exp(m + s^2 / 2)
        return self._random.lognormvariate(math.log(mean) - self.sigma**2 / 2, self.sigma)
