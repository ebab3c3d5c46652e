"""Going on with an interrupted run: the same question must be asked of the same servers."""

from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.options import BenchOptions
from bench.result import Result, load_result
from bench.scenarios import Scenario
from bench.table import speaking
from bench.targets import Stack

if TYPE_CHECKING:
    from bench.document import Document

SAME = ("quick", "seed", "rounds", "scenarios", "p99_ms", "goal", "price_per_hour", "timeout_s")
"""Settings of a run that a resumed one must share."""


def load(options: BenchOptions) -> Result | None:
    """Return the result of the run to go on with; None when this is a new one.

    Raises:
        BenchError: there is none, or it is complete.
    """
    if options.resume is None:
        return None
    earlier = load_result(options.resume)
    if not earlier.interrupted:
        raise BenchError(f"{options.resume} is complete; start a new run without --resume")
    return earlier


def points(earlier: Result, stack: Stack) -> dict[Scenario, list[str]]:
    """Return the points of the earlier run.

    Raises:
        BenchError: a backend that it measured is not ready, or no longer speaks what it spoke.
    """
    transports = {target.name: target.transports for target in stack.ready}
    found = {each: speaking(each, transports) for each in earlier.scenarios}
    for point in earlier.summary.points:
        if point.backend not in found.get(point.scenario, []):
            raise BenchError(f"{point.backend} cannot be measured in '{point.scenario.title}' as the earlier run did")
    return found


def check(earlier: Result, document: "Document") -> None:
    """Make sure that this run asks the same of the same.

    Raises:
        BenchError: naming what differs.
    """
    now = document.settings()
    differences = [
        f"{name} was {getattr(earlier.settings, name)} and is {getattr(now, name)}"
        for name in SAME
        if getattr(earlier.settings, name) != getattr(now, name)
    ]
    if earlier.photos.sha256 != document.photos_record().sha256:
        differences.append("the photos are others")
    if earlier.fairness != document.fairness:
        differences.append("the backends are served differently")
    for key in ("precision", "weights_sha256", "device"):
        then, current = earlier.model.get(key), document.stack.model.get(key)
        if then != current:
            differences.append(f"the model's {key} was {then} and is {current}")
    if differences:
        raise BenchError(f"this is not the run that was interrupted: {'; '.join(differences)}")
