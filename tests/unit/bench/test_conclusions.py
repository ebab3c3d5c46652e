"""From the windows of a run to what is concluded from them."""

from collections.abc import Mapping

import pytest

from bench.goals import Goal
from bench.rounds import Basis
from bench.scenarios import Scenario
from bench.summary import Summary, summarise
from tests.unit.bench.conftest import window

PIXELS = Scenario(kind="single", input="pixels")
FILES = Scenario(kind="single", input="encoded")
BATCH = Scenario(kind="batch", input="pixels", batch=8)
MS = {"fast": 4.0, "slow": 8.0}


def summary(
    *scenarios: Scenario,
    goal: Goal = "latency",
    basis: Basis | None = None,
    unfair: tuple[str, ...] = (),
    changes: Mapping[str, object] | None = None,
) -> Summary:
    """Summarise five rounds in which `slow` takes twice as long; `changes` are of its windows."""
    windows = [
        window(number, scenario, name, ms + number / 100, **(changes or {}) if name == "slow" else {})  # type: ignore[arg-type]
        for number in range(1, 6)
        for scenario in scenarios
        for name, ms in MS.items()
    ]
    return summarise(windows, dict.fromkeys(scenarios, tuple(MS)), goal, basis or Basis(), unfair)


def test_every_point_and_scenario_has_its_figures_in_the_order_of_the_run() -> None:
    found = summary(PIXELS, BATCH)
    assert [(each.scenario, each.backend) for each in found.points] == [
        (PIXELS, "fast"), (PIXELS, "slow"), (BATCH, "fast"), (BATCH, "slow"),
    ]  # fmt: skip
    assert [(each.scenario, each.winner) for each in found.verdicts] == [(PIXELS, "fast"), (BATCH, "fast")]
    assert found.points[0].p50 is not None
    assert found.points[0].p50.value == pytest.approx(4.03, rel=1e-3)
    assert [each.requests for each in found.points] == [10] * 4


def test_the_goal_that_was_asked_for_decides() -> None:
    found = summary(PIXELS, FILES, BATCH)
    assert set(found.recommendations) == {"latency", "throughput", "cost"}
    assert (found.goal, found.winner) == ("latency", "fast")
    assert found.decision == found.recommendations["latency"].sentence
    other = summary(PIXELS, FILES, BATCH, goal="throughput")
    assert other.decision == found.recommendations["throughput"].sentence


def test_a_goal_that_was_not_measured_has_no_winner() -> None:
    found = summary(BATCH, goal="wan")
    assert (found.goal, found.winner, found.decision) == ("wan", None, "The goal wan was not measured.")


def test_an_unfair_comparison_has_no_winner_anywhere_and_says_why() -> None:
    found = summary(PIXELS, FILES, unfair=("precision differs", "largest batch differs"))
    why = "the comparison is not fair: precision differs; largest batch differs"
    assert [(each.winner, each.leader, each.reason) for each in found.verdicts] == [(None, "fast", why)] * 2
    made = found.recommendations["latency"]
    assert (made.winner, made.by_input, made.sentence) == (
        None, {"pixels": None, "encoded": None}, f"No winner: {why}.",
    )  # fmt: skip
    assert (found.winner, found.decision) == (None, made.sentence)


def test_what_points_rest_on_reaches_them() -> None:
    basis = Basis(disagreeing={"slow"}, price_per_hour=3.6)
    found = summary(PIXELS, BATCH, basis=basis)
    assert [each.problem for each in found.points[:2]] == [None, "its embeddings are not those of the others"]
    assert found.verdicts[0].reason == "fast alone was free of problems"
    assert found.recommendations["cost"].cost_per_million


def test_nobody_wins_against_a_backend_that_the_client_held_back() -> None:
    found = summary(PIXELS, changes={"client_busy": 0.95})
    assert (found.verdicts[0].winner, found.verdicts[0].reason) == (None, "the client was the limit of slow")
