"""A recommendation says of what there is more, over whom, and why nobody wins."""

from collections.abc import Sequence

import numpy as np
import pytest

from bench.goals import Goal, Recommendation, recommend
from bench.points import Figure, Point
from bench.scenarios import Kind, Scenario


def sentence(goal: Goal, kind: Kind, **scores: Sequence[float]) -> str:
    scenario = Scenario(kind=kind, input="pixels")
    found = recommend(goal, [scenario], {scenario: scores}, [], None)
    assert found is not None
    return found.sentence


def around(value: float, spread: float = 0.0) -> list[float]:
    return list(value * np.exp(spread * np.array([0, 1, -1, 2, -2])))


@pytest.mark.parametrize(
    ("goal", "kind", "words"),
    [
        ("latency", "single", "Lowest latency: a, as short a time per image: "),
        ("wan", "wan", "Best over a slow link: a, as short a time per image: "),
        ("throughput", "offline", "Highest throughput: a, as many images per second: "),
        ("cost", "offline", "Lowest cost: a, as many images per second: "),
    ],
)
def test_a_winner_has_more_images_or_shorter_times_than_each_other(goal: Goal, kind: Kind, words: str) -> None:
    found = sentence(goal, kind, a=around(4), b=around(2), c=around(1))
    assert found.startswith(f"{words}2.00x b (2.00 to 2.00), 4.00x c (4.00 to 4.00).")


def test_a_lead_that_is_large_but_not_sure_may_be_chance() -> None:
    found = sentence("throughput", "offline", a=around(1.1, 0.2), b=around(1))
    assert found.startswith("Highest throughput: a tie; a is ahead by 1.10x b (")
    assert found.endswith("), which the rounds cannot tell from chance.")


def test_a_lead_is_small_only_where_it_is_over_all() -> None:
    found = sentence("throughput", "offline", a=around(1.01), b=around(1), c=around(0.5))
    assert found.endswith(", which the rounds cannot tell from chance.")
    assert sentence("throughput", "offline", a=around(1.01), b=around(1)).endswith(", which is less than 2 %.")


BOTH = [Scenario(kind="offline", input=source, batch=8, in_flight=4) for source in ("encoded", "pixels")]


def of_both(
    goal: Goal, price: float | None = None, *points: Point, **scores: tuple[Sequence[float], Sequence[float]]
) -> Recommendation:
    by_scenario = {each: {name: pair[i] for name, pair in scores.items()} for i, each in enumerate(BOTH)}
    found = recommend(goal, BOTH, by_scenario, points, price)
    assert found is not None
    return found


def pointed(backend: str, speed: float = 1.0, **changes: object) -> list[Point]:
    """Return the points of a backend, one for each input."""
    figure = Figure(value=speed, low=None, high=None, rounds=())
    fields = dict.fromkeys(Point.model_fields) | {
        "backend": backend, "images_per_s": figure, "requests": 1, "failures": 0, "percentiles_ms": {},
    }  # fmt: skip
    return [Point.model_validate({**fields, "scenario": each, **changes}) for each in BOTH]


def test_where_the_inputs_differ_each_winner_is_told_and_each_tie() -> None:
    found = of_both("throughput", a=(around(4), around(1)), b=(around(1), around(1)))
    assert (found.winner, found.leader, found.by_input) == ("a", "a", {"encoded": "a", "pixels": None})
    assert found.sentence == (
        "Highest throughput: a, as many images per second: 2.00x b (2.00 to 2.00). "
        "Taken alone, encoded photos: a, pixels: a tie."
    )


def test_prices_are_told_from_the_lowest_on() -> None:
    points = [*pointed("a", 50), *pointed("b", 100)]
    found = of_both("cost", 3.6, *points, a=(around(50), around(50)), b=(around(100), around(100)))
    assert found.sentence == (
        "Lowest cost: b, as many images per second: 2.00x a (2.00 to 2.00). "
        "A million images at 3.6 an hour: b 10.0, a 20.0."
    )


def test_nobody_wins_an_input_against_one_that_the_client_held_back() -> None:
    found = of_both(
        "throughput", None, *pointed("b", client_bound="busy"), a=(around(2), around(2)), b=(around(1), around(1))
    )
    assert (found.winner, found.by_input) == (None, {"encoded": None, "pixels": None})


def test_a_backend_without_a_figure_in_one_input_has_none_of_both() -> None:
    problem = pointed("b", problem="a round without an answer")
    found = of_both("throughput", None, *problem, a=(around(2), around(2)), b=(around(9), []))
    assert (found.winner, found.ahead) == ("a", {})
