"""A recommendation says of what there is more, over whom, and why nobody wins."""

from collections.abc import Sequence

import numpy as np
import pytest

from bench.goals import Goal, recommend
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
