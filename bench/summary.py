"""What follows from the windows: points, verdicts and the recommendation. Pure functions of the numbers and a seed."""

from collections.abc import Collection, Mapping, Sequence

from bench.goals import GOAL_KINDS, Goal, Recommendation, recommend
from bench.points import Point
from bench.records import Record
from bench.rounds import Basis, point, scores
from bench.scenarios import Scenario
from bench.verdicts import Verdict, verdict
from bench.windows import Window


class Summary(Record):
    """Points, verdicts and recommendations.

    Attributes:
        goal: what the user asked for.
        recommendations: for every goal whose scenarios were measured.
        winner, decision: of the goal that was asked for; the decision is one or a few sentences.
    """

    points: tuple[Point, ...]
    verdicts: tuple[Verdict, ...]
    goal: Goal
    recommendations: dict[Goal, Recommendation]
    winner: str | None
    decision: str


def summarise(
    windows: Sequence[Window],
    points: Mapping[Scenario, Sequence[str]],
    goal: Goal,
    basis: Basis,
    unfair: Collection[str] = (),
) -> Summary:
    """Return what follows from the windows of the complete rounds.

    Args:
        windows: at least one for every round, scenario and backend.
        points: by scenario, the backends that it was measured on, in the stack's order.
        goal: what the user asked for.
        basis: what else the points rest on.
        unfair: why the backends cannot be compared at all; nobody then wins.
    """
    by_point: dict[tuple[Scenario, str], list[Window]] = {}
    for window in windows:
        by_point.setdefault((window.scenario, window.backend), []).append(window)
    found: list[Point] = []
    verdicts: list[Verdict] = []
    all_scores: dict[Scenario, dict[str, list[float]]] = {}
    for scenario, backends in points.items():
        own = [point(scenario, name, by_point[scenario, name], basis) for name in backends]
        found += own
        all_scores[scenario] = {name: scores(by_point[scenario, name]) for name in backends}
        problems = {each.backend: each.problem for each in own}
        bound = [each.backend for each in own if each.client_bound]
        verdicts.append(verdict(scenario, all_scores[scenario], problems, bound))
    recommendations = {
        each: made
        for each in GOAL_KINDS
        if (made := recommend(each, list(points), all_scores, found, basis.price_per_hour))
    }
    if unfair:
        reason = f"the comparison is not fair: {'; '.join(unfair)}"
        verdicts = [each.model_copy(update={"winner": None, "reason": reason}) for each in verdicts]
        recommendations = {
            each: made.model_copy(
                update={"winner": None, "by_input": dict.fromkeys(made.by_input), "sentence": f"No winner: {reason}."}
            )
            for each, made in recommendations.items()
        }
    chosen = recommendations.get(goal)
    return Summary(
        points=tuple(found),
        verdicts=tuple(verdicts),
        goal=goal,
        recommendations=recommendations,
        winner=chosen.winner if chosen else None,
        decision=chosen.sentence if chosen else f"The goal {goal} was not measured.",
    )
