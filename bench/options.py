"""What one run of the benchmark is asked to do."""

from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

MIN_ROUNDS = 5
"""Fewest complete rounds that a winner may be named from."""


@dataclass(frozen=True)
class BenchOptions:
    """The choices of one run.

    Attributes:
        ready_url: where the stack answers `/ready`, such as `http://127.0.0.1:8002`; with or without the path.
        photos: folder of JPEG, PNG or WebP files to send; subfolders are not searched.
        results: folder in which the run's own folder is made.
        quick: fit the run into `quick_budget_s` by shortening the windows; otherwise windows are `window_s` long.
        seed: makes the order of the windows and the resampling repeatable.
        rounds: how often every point is measured; at least 5. None: 5 when quick, else 10.
        window_s: seconds per window when not quick.
        quick_budget_s: seconds that a quick run aims for, from the first request to the last.
        max_photos: most photos that are used; from a larger folder they are taken at even distances.
        timeout_s: seconds after which an unanswered request counts as failed.
        command: the command line to record; None: that of this process.
    """

    ready_url: str
    photos: Path
    results: Path
    quick: bool = True
    seed: int = 1
    rounds: int | None = None
    window_s: float = 3.0
    quick_budget_s: float = 50.0
    max_photos: int = 128
    timeout_s: float = 30.0
    command: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot give a result.

        Raises:
            BenchError: a value is out of its range.
        """
        if self.rounds is not None and self.rounds < MIN_ROUNDS:
            raise BenchError(f"rounds is {self.rounds}; at least {MIN_ROUNDS} are needed to tell a winner from chance")
        for name in ("window_s", "quick_budget_s", "max_photos", "timeout_s"):
            if not getattr(self, name) > 0:
                raise BenchError(f"{name} is {getattr(self, name)}; it must be greater than 0")

    @property
    def round_count(self) -> int:
        """Rounds to run."""
        return self.rounds or (MIN_ROUNDS if self.quick else 2 * MIN_ROUNDS)

    @property
    def min_requests(self) -> int:
        """Fewest requests in a window, however slow they are."""
        return 2 if self.quick else 10
