"""What one run of the benchmark is asked to do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from bench.addresses import Addresses
from bench.errors import BenchError
from bench.goals import GOAL_KINDS, Goal
from bench.intervals import MIN_ROUNDS
from bench.scenarios import Kind

QUICK_KINDS: tuple[Kind | str, ...] = ("single", "batch")
ALL_KINDS: tuple[Kind | str, ...] = ("startup", "single", "batch", "concurrency", "offline", "server", "wan")
QUICK_BUDGET_S = 48.0
FULL_BUDGET_S = 900.0


@dataclass(frozen=True)
class BenchOptions:
    """The choices of one run.

    Attributes:
        addresses: where the stack is reached.
        photos: folder of JPEG, PNG or WebP files to send; subfolders are not searched.
        results: folder in which the run's own folder is made.
        quick: the short form: `single` and `batch` with 8 images (4 on a CPU) over HTTP, unless other scenarios are asked for.
        kinds: scenarios to measure; empty: those of the form.
        goal: what the recommendation is for.
        seed: makes the order of the windows, the arrivals and the resampling repeatable.
        rounds: how often every point is measured; at least 5.
        time_budget_s: seconds that the run aims for, from its start to its report. Window lengths follow from it, and
            the sweeps are thinned where even the shortest windows do not fit. None: 48 when quick, else 900.
        p99_ms: latency that 99 % of the requests of `server` must keep.
        price_per_hour: of the servers' machine, in any currency.
        processes: client processes; 0: half the cores, at most 8.
        max_photos: most photos that are used; from a larger folder they are taken at even distances.
        timeout_s: seconds after which an unanswered request counts as failed.
        resume: folder of an interrupted run to go on with.
        home: BAKEOFF_HOME of the stack when it is one of this machine's, for starting another like it.
        command: the command line to record; None: that of this process.
    """

    addresses: Addresses
    photos: Path
    results: Path
    quick: bool = False
    kinds: tuple[str, ...] = ()
    goal: Goal = "throughput"
    seed: int = 0
    rounds: int = MIN_ROUNDS
    time_budget_s: float | None = None
    p99_ms: float = 50.0
    price_per_hour: float | None = None
    processes: int = 0
    max_photos: int = 128
    timeout_s: float = 30.0
    resume: Path | None = None
    home: Path | None = None
    command: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse what cannot give a result.

        Raises:
            BenchError: a value is out of its range.
        """
        if self.rounds < MIN_ROUNDS:
            raise BenchError(f"rounds is {self.rounds}; at least {MIN_ROUNDS} are needed to tell a winner from chance")
        for name in ("time_budget_s", "p99_ms", "price_per_hour", "max_photos", "timeout_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise BenchError(f"{name} is {value}; it must be greater than 0")
        if self.goal not in get_args(Goal):
            raise BenchError(f"goal is '{self.goal}'; choose {', '.join(get_args(Goal))}")
        for kind in self.kinds:
            if kind not in ALL_KINDS:
                raise BenchError(f"scenario is '{kind}'; choose from {', '.join(ALL_KINDS)}")
        if not set(GOAL_KINDS[self.goal]) & set(self.measured_kinds):
            raise BenchError(
                f"goal {self.goal} is decided by the scenario {' or '.join(GOAL_KINDS[self.goal])}, which is not measured; "
                f"add --scenario {GOAL_KINDS[self.goal][0]}"
            )

    @property
    def measured_kinds(self) -> tuple[str, ...]:
        """The scenarios to measure, in the order of the tables."""
        chosen = self.kinds or (QUICK_KINDS if self.quick else ALL_KINDS)
        return tuple(kind for kind in ALL_KINDS if kind in chosen)

    @property
    def budget_s(self) -> float:
        """Seconds that the run aims for."""
        return self.time_budget_s or (QUICK_BUDGET_S if self.quick else FULL_BUDGET_S)
