"""The recommendation: which backend serves the user's own goal best, by what margin, in words that follow from the numbers."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from bench.figures import number, ratio
from bench.intervals import Interval
from bench.points import Point
from bench.records import Record
from bench.scenarios import INPUTS, TITLES, Input, Kind, Scenario
from bench.verdicts import SMALLEST_LEAD, Verdict, verdict

Goal = Literal["latency", "throughput", "cost", "wan"]

GOAL_KINDS: dict[Goal, tuple[Kind, ...]] = {
    "latency": ("single",),
    "throughput": ("offline", "batch"),
    "cost": ("offline", "batch"),
    "wan": ("wan",),
}
"""The scenarios that decide a goal; the first that was measured."""

LEADS: dict[Goal, str] = {
    "latency": "Lowest latency",
    "throughput": "Highest throughput",
    "cost": "Lowest cost",
    "wan": "Best over a slow link",
}

Scores = Mapping[Scenario, Mapping[str, Sequence[float]]]


class Recommendation(Record):
    """What the rounds say about one goal.

    Attributes:
        goal: `latency` is decided by the `single` scenarios, `throughput` and `cost` by `offline` (by the largest batch
            where that was not measured), `wan` by `wan`; over HTTP, both inputs together with the same weight.
        scenarios: names of the scenarios that it rests on.
        winner: None where it is a tie, or where nothing could be compared (`ahead` is then empty).
        leader: the best in the figures, winner or not.
        ahead: how many times as good the leader is as each other one; paired by rounds, 99 % interval.
        by_input: winner for each input alone; None is a tie.
        cost_per_million: price of a million images by backend, both inputs in equal parts; without those that have a
            problem in one; empty without a price.
        sentence: the recommendation in words.
    """

    goal: Goal
    scenarios: tuple[str, ...]
    winner: str | None
    leader: str | None
    ahead: dict[str, Interval]
    by_input: dict[Input, str | None]
    cost_per_million: dict[str, float]
    sentence: str


def deciding(goal: Goal, scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Return the scenarios that decide a goal: of the first measured kind, over HTTP, the largest batch of each input."""
    for kind in GOAL_KINDS[goal]:
        found = [each for each in scenarios if each.kind == kind and each.transport == "http"]
        if found:
            largest = max(each.batch for each in found)
            return [each for each in found if each.batch == largest]
    return []


def recommend(
    goal: Goal, scenarios: Sequence[Scenario], scores: Scores, points: Sequence[Point], price_per_hour: float | None
) -> Recommendation | None:
    """Return the recommendation for a goal; None where no scenario that decides it was measured.

    Args:
        goal: which one.
        scenarios: that were measured.
        scores: by scenario and backend, a figure of each round of which more is better; empty where a round has none.
        points: of those scenarios.
        price_per_hour: of the machine, or None.
    """
    chosen = deciding(goal, scenarios)
    if not chosen:
        return None
    own = [point for point in points if point.scenario in chosen]
    problems = {point.backend: _problem(point) for point in own if point.problem}
    bound = {point.backend for point in own if point.client_bound}
    together = _together([scores[each] for each in chosen])
    overall = verdict(chosen[0], together, problems, bound)
    by_input: dict[Input, Verdict] = {
        source: verdict(each, scores[each], problems, bound)
        for source in INPUTS
        for each in chosen
        if each.input == source
    }
    costs = _costs(own, price_per_hour)
    return Recommendation(
        goal=goal,
        scenarios=tuple(each.name for each in chosen),
        winner=overall.winner,
        leader=overall.leader,
        ahead=overall.ahead,
        by_input={source: each.winner for source, each in by_input.items()},
        cost_per_million=costs if goal == "cost" else {},
        sentence=" ".join(_words(goal, chosen[0], overall, by_input, costs, price_per_hour)),
    )


def _together(scores: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """Return each round's geometric mean over the scenarios, by backend; empty where a round of one has no figure."""
    found: dict[str, list[float]] = {}
    for name in scores[0]:
        own = [each[name] for each in scores]
        rounds = zip(*own, strict=True) if all(own) else ()
        found[name] = [float(np.exp(np.mean(np.log(values)))) for values in rounds]
    return found


def _problem(point: Point) -> str:
    return f"{point.scenario.title}: {point.problem}"


def _costs(points: Sequence[Point], price_per_hour: float | None) -> dict[str, float]:
    by_backend: dict[str, list[float]] = {}
    unsound = {point.backend for point in points if point.problem}
    for point in points:
        if price_per_hour and point.images_per_s and point.backend not in unsound:
            by_backend.setdefault(point.backend, []).append(price_per_hour / 3600 * 1e6 / point.images_per_s.value)
    return {name: float(np.mean(costs)) for name, costs in by_backend.items()}


def _words(
    goal: Goal,
    scenario: Scenario,
    overall: Verdict,
    by_input: Mapping[Input, Verdict],
    costs: Mapping[str, float],
    price_per_hour: float | None,
) -> list[str]:
    basis = "" if scenario.kind == GOAL_KINDS[goal][0] else f" in requests of {scenario.batch} images"
    if overall.leader is None or (overall.winner is None and not overall.ahead):
        return [f"{LEADS[goal]}{basis}: undecided; {overall.reason}."]
    sentences = [f"{LEADS[goal]}{basis}: {overall.winner or 'a tie'}{_margin(goal, overall)}."]
    different = {source: each for source, each in by_input.items() if each.winner != overall.winner}
    if different and len(by_input) > 1:
        parts = [f"{TITLES[source]}: {each.winner or 'a tie'}" for source, each in by_input.items()]
        sentences.append(f"Taken alone, {', '.join(parts)}.")
    if goal == "cost" and price_per_hour is None:
        sentences.append("Give --price-per-hour for amounts.")
    elif goal == "cost":
        parts = [f"{name} {number(cost)}" for name, cost in sorted(costs.items(), key=lambda each: each[1])]
        sentences.append(f"A million images at {price_per_hour:g} an hour: {', '.join(parts)}.")
    return sentences


def _margin(goal: Goal, overall: Verdict) -> str:
    if not overall.ahead:
        return f", because {overall.reason}"
    ratios = ", ".join(ratio(value, name) for name, value in overall.ahead.items())
    what = "as short a time per image" if goal in ("latency", "wan") else "as many images per second"
    if overall.winner:
        return f", {what}: {ratios}"
    if overall.reason:
        return f", because {overall.reason}; {overall.leader} is ahead: {ratios}"
    small = all(each.value < SMALLEST_LEAD for each in overall.ahead.values())
    why = "which is less than 2 %" if small else "which the rounds cannot tell from chance"
    return f"; {overall.leader} is ahead by {ratios}, {why}"
