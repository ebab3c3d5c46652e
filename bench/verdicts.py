"""From the rounds' figures to a winner or a tie. Pure functions."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from bench.intervals import MIN_ROUNDS, Interval, paired_ratio
from bench.records import Record
from bench.scenarios import Scenario

SMALLEST_LEAD = 1.02
"""A lead below this is a tie however narrow its interval: two starts of one and the same build differ by as much, and the
rounds of one run, on which the intervals rest, cannot show that."""


class Verdict(Record):
    """What the rounds say about one scenario.

    Attributes:
        winner: the backend whose paired differences to every other one exclude zero and are at least 2 %; None: a tie,
            or undecided where nothing could be compared (`ahead` is then empty and `reason` says why).
        leader: the backend with the best figure, winner or not; None when no point is without problems.
        ahead: how many times as good (as many images, or as short a latency) the leader is as each other one that
            counts, by paired rounds.
        reason: in words, where the figures alone do not say it.
    """

    scenario: Scenario
    winner: str | None
    leader: str | None
    ahead: dict[str, Interval]
    reason: str | None


def verdict(
    scenario: Scenario,
    scores: Mapping[str, Sequence[float]],
    problems: Mapping[str, str | None],
    client_bound: Collection[str] = (),
) -> Verdict:
    """Name the winner of a scenario, or a tie.

    Args:
        scenario: which one.
        scores: by backend, a figure of each round of which more is better; paired by position.
        problems: by backend, why it cannot win. Those that can are compared with each other only: an error is a
            failure, however fast, so a backend without errors is ahead of one with errors.
        client_bound: backends that the client held back: one of them may win, but nobody wins against it.
    """
    sound = {name: values for name, values in scores.items() if not problems.get(name)}
    if not sound:
        return Verdict(scenario=scenario, winner=None, leader=None, ahead={}, reason="no backend was free of problems")
    leader = leading(sound)
    undecided = Verdict(scenario=scenario, winner=None, leader=leader, ahead={}, reason=None)
    if len(scores) == 1:
        return undecided.model_copy(update={"reason": "nothing to compare with"})
    rounds = len(sound[leader])
    if rounds < MIN_ROUNDS:
        few = f"{rounds} complete {'round' if rounds == 1 else 'rounds'}; a winner needs {MIN_ROUNDS}"
        return undecided.model_copy(update={"reason": few})
    ahead = {name: paired_ratio(sound[leader], values) for name, values in sound.items() if name != leader}
    held_back = [name for name in ahead if name in client_bound]
    wins = all(map(excludes_a_tie, ahead.values())) and not held_back
    reason = f"the client was the limit of {', '.join(held_back)}" if held_back else None
    return Verdict(
        scenario=scenario,
        winner=leader if wins else None,
        leader=leader,
        ahead=ahead,
        reason=reason if ahead else f"{leader} alone was free of problems",
    )


def leading(scores: Mapping[str, Sequence[float]]) -> str:
    """Return the name with the highest geometric mean, which is ahead of every other one in their ratio."""
    return max(scores, key=lambda name: float(np.mean(np.log(scores[name]))) if scores[name] else -np.inf)


def excludes_a_tie(lead: Interval) -> bool:
    """Tell whether a lead is large enough and sure enough to win."""
    return lead.low > 1 and lead.value >= SMALLEST_LEAD
