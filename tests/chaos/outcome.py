"""What a fault did, and whether that is what may happen."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.chaos.faults import Fault

KINDS = ("right", "refused", "closed", "broken", "unclear", "wrong")


@dataclass(frozen=True)
class Outcome:
    """What one fault did.

    Attributes:
        noticed_s: from the end of the injection until `/ready` was no longer 200, or None when it stayed so.
        recovered_s: until it was 200 again and every request sent before was answered right; None: never.
        counts: what became of the requests meanwhile, by backend and kind, as `checker.Tally` has them.
        lost: requests that were not answered right in the end, however often they were repeated.
    """

    fault: Fault
    noticed_s: float | None
    recovered_s: float | None
    counts: Counter[tuple[str, str]]
    lost: int

    def total(self, kind: str) -> int:
        """Return the number of answers of a kind, of all backends."""
        return sum(count for (_, found), count in self.counts.items() if found == kind)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "fault": self.fault.name,
            "noticed_s": self.noticed_s,
            "recovered_s": self.recovered_s,
            "counts": {f"{backend} {kind}": count for (backend, kind), count in self.counts.items()},
            "lost": self.lost,
        }


def problems(outcomes: list[Outcome]) -> list[str]:
    """Return what must not happen and did."""
    return [f"{one.fault.name}: {problem}" for one in outcomes for problem in _problems(one)]


def _problems(one: Outcome) -> Iterator[str]:
    fault = one.fault
    if one.lost or one.recovered_s is None:
        yield f"not recovered, {one.lost} requests lost"
    if fault.unready_within_s and one.noticed_s is None:
        yield f"/ready was 200 for {fault.unready_within_s:g} s"
    for (backend, kind), count in one.counts.items():
        touched = backend in fault.touches
        allowed = {
            "right": True,
            "refused": touched,
            "closed": touched and not fault.stays_open,
            "broken": touched and fault.kills,
            "wrong": touched and fault.corrupts,
        }
        if not allowed.get(kind, False):
            yield f"{backend}: {count} answers {kind}"


def late(outcomes: list[Outcome]) -> list[str]:
    """Return where `/ready` told the truth too late, or everything was as before too late."""
    return [
        f"{one.fault.name}: /ready was 200 for {one.noticed_s:.1f} s"
        for one in outcomes
        if one.noticed_s and one.fault.unready_within_s and one.noticed_s > one.fault.unready_within_s
    ] + [
        f"{one.fault.name}: not as before until {one.recovered_s:.1f} s, and {one.fault.back_within_s:g} s are allowed"
        for one in outcomes
        if one.recovered_s and one.fault.back_within_s and one.recovered_s > one.fault.back_within_s
    ]


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield a Markdown table, a line for each kind of fault, with the longest times."""
    yield f"| fault | times | `/ready` false after | recovered after | {' | '.join(KINDS)} | lost |"
    yield "|---" * (5 + len(KINDS)) + "|"
    for name in dict.fromkeys(one.fault.name for one in outcomes):
        same = [one for one in outcomes if one.fault.name == name]
        noticed = [one.noticed_s for one in same if one.noticed_s is not None]
        recovered = [one.recovered_s for one in same if one.recovered_s is not None]
        times = [f"{max(values):.1f} s" if values else "-" for values in (noticed, recovered)]
        counts = [str(sum(one.total(kind) for one in same)) for kind in KINDS]
        yield f"| {name} | {len(same)} | {' | '.join([*times, *counts, str(sum(one.lost for one in same))])} |"


def summary(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield the totals."""
    kinds = {kind: sum(one.total(kind) for one in outcomes) for kind in KINDS}
    yield (
        f"{len(outcomes)} faults of {len({one.fault.name for one in outcomes})} kinds; {sum(kinds.values())} requests sent: "
        f"{', '.join(f'{count} {kind}' for kind, count in kinds.items())}; {sum(one.lost for one in outcomes)} lost"
    )
