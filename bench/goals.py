"""The recommendation: which backend serves the user's own goal best, by what margin, in words."""

from typing import Literal

from bench.intervals import Interval
from bench.records import Record
from bench.scenarios import Input

Goal = Literal["latency", "throughput", "cost", "wan"]
GOALS: tuple[Goal, ...] = ("latency", "throughput", "cost", "wan")


class Recommendation(Record):
    """What the rounds say about one goal.

    Attributes:
        goal: `latency` is decided by the `single` scenarios, `throughput` and `cost` by `offline` (by the largest batch
            where that was not measured), `wan` by `wan`; over HTTP, both inputs together with the same weight.
        scenarios: names of the scenarios that it rests on.
        winner: None where it is a tie, or where nothing could be compared (`ahead` is then empty).
        leader: the best in the figures, winner or not.
        ahead: how many times as good the leader is as each other one; paired by rounds, 95 % interval.
        by_input: winner for each input alone; None is a tie.
        cost_per_million: by backend; empty without a price.
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
