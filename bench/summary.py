"""What follows from the windows: points, verdicts and the recommendation."""

from bench.goals import Goal, Recommendation
from bench.points import Point
from bench.records import Record
from bench.verdicts import Verdict


class Summary(Record):
    """Points, verdicts and recommendations.

    Attributes:
        goal: what the user asked for.
        recommendations: for every goal whose scenarios were measured.
        winner, decision: of the goal that was asked for; the decision is one or two sentences.
    """

    points: tuple[Point, ...]
    verdicts: tuple[Verdict, ...]
    goal: Goal
    recommendations: dict[Goal, Recommendation]
    winner: str | None
    decision: str
