import numpy as np
import pytest

from bench.goals import Recommendation, deciding, recommend
from bench.points import Figure, Point
from bench.scenarios import Kind, Scenario
from tests.unit.bench.conftest import MakeResult

ENCODED = Scenario(kind="offline", input="encoded", batch=8, in_flight=4)
PIXELS = Scenario(kind="offline", input="pixels", batch=8, in_flight=4)


def made_point(scenario: Scenario, backend: str, speed: float, problem: str | None = None) -> Point:
    return Point(
        scenario=scenario, backend=backend, images_per_s=Figure(value=speed, low=None, high=None, rounds=()), p50=None,
        requests=1, failures=0, percentiles_ms={}, mean_ms=None, histogram=None, split=None, stable=None, problem=problem,
    )  # fmt: skip


def recommended(goal: str, price: float | None, *others: Point, **speeds: tuple[float, float]) -> Recommendation:
    """Recommend between backends of known speeds in both inputs; `others` are points beside, or in place of, theirs."""
    noise = 1 + np.array([0.0, 0.001, -0.001, 0.002, -0.002])
    scores = {
        scenario: {name: list(pair[i] * noise) for name, pair in speeds.items()}
        for i, scenario in enumerate((ENCODED, PIXELS))
    }
    points = [
        made_point(scenario, name, pair[i])
        for i, scenario in enumerate((ENCODED, PIXELS))
        for name, pair in speeds.items()
    ]
    points = [*(each for each in points if all(_place(each) != _place(other) for other in others)), *others]
    found = recommend(goal, [ENCODED, PIXELS], scores, points, price)  # type: ignore[arg-type]
    assert found is not None
    return found


def _place(point: Point) -> tuple[Scenario, str]:
    return point.scenario, point.backend


def words(goal: str, price: float | None = None, **speeds: tuple[float, float]) -> tuple[str | None, str]:
    found = recommended(goal, price, **speeds)
    return found.winner, found.sentence


def test_the_winner_is_named_with_its_margin() -> None:
    assert words("throughput", a=(100, 200), b=(50, 100)) == (
        "a",
        "Highest throughput: a, as many images per second: 2.00x b (2.00 to 2.00).",
    )


def test_a_tie_says_why() -> None:
    assert words("throughput", a=(100, 100), b=(100.5, 100.5)) == (
        None,
        "Highest throughput: a tie; b is ahead by 1.00x a (1.00 to 1.01), which is less than 2 %.",
    )


def test_both_inputs_count_alike_and_are_told_apart_where_they_differ() -> None:
    winner, sentence = words("throughput", a=(100, 100), b=(50, 120))
    assert winner == "a"
    assert sentence.endswith("Taken alone, encoded photos: a, pixels: b.")


def test_the_mean_over_both_inputs_is_geometric_so_that_the_faster_input_does_not_decide_alone() -> None:
    winner, sentence = words("throughput", a=(100, 100), b=(30, 300))  # b's arithmetic mean is the larger one
    assert winner == "a"
    assert "1.05x b (1.05 to 1.05)" in sentence  # the square root of 100 * 100 over 30 * 300


def test_a_million_images_cost_the_mean_of_what_they_cost_in_each_input() -> None:
    found = recommended("cost", 3.6, a=(100, 50), b=(20, 25))
    assert found.cost_per_million == {"a": pytest.approx((10 + 20) / 2), "b": pytest.approx((50 + 40) / 2)}
    assert recommended("throughput", 3.6, a=(100, 50), b=(20, 25)).cost_per_million == {}


def test_a_point_that_does_not_decide_a_goal_does_not_count_for_it() -> None:
    other = Scenario(kind="batch", input="pixels", batch=8)
    bound = made_point(other, "a", 1).model_copy(update={"client_bound": "busy"})
    for stranger in (made_point(other, "a", 1, "3 of 9 requests failed"), bound):
        found = recommended("cost", 3.6, stranger, a=(100, 100), b=(50, 50))
        assert found.winner == "a"
        assert found.cost_per_million["a"] == pytest.approx(10)
    held_back = recommended("cost", 3.6, bound.model_copy(update={"backend": "b"}), a=(100, 100), b=(50, 50))
    assert held_back.winner == "a"


def test_a_backend_that_the_client_held_back_in_one_input_has_no_winner_against_it() -> None:
    bound = made_point(PIXELS, "b", 50).model_copy(update={"client_bound": "busy"})
    found = recommended("throughput", None, bound, a=(100, 100), b=(50, 50))
    assert found.winner is None
    assert found.sentence.startswith("Highest throughput: a tie, because the client was the limit of b; a is ahead: ")


def test_a_backend_that_fails_in_one_input_has_no_price_of_both() -> None:
    scores = {each: {"a": [100.0] * 5, "b": [50.0] * 5} for each in (ENCODED, PIXELS)}
    points = [made_point(each, name, 100 if name == "a" else 50) for each in (ENCODED, PIXELS) for name in "ab"]
    points[0] = made_point(ENCODED, "a", 1000, "3 of 9 requests failed")
    found = recommend("cost", [ENCODED, PIXELS], scores, points, 3.6)
    assert found is not None
    assert found.cost_per_million == {"b": pytest.approx(20)}


def test_every_round_counts_as_one_pair() -> None:
    """Rounds that drift together are paired: a is 10 % ahead in each, and sure to be."""
    drift = [1.0, 0.5, 2.0, 0.7, 1.3]
    scores = {each: {"a": [110 * d for d in drift], "b": [100 * d for d in drift]} for each in (ENCODED, PIXELS)}
    points = [made_point(each, name, 1) for each in (ENCODED, PIXELS) for name in "ab"]
    found = recommend("throughput", [ENCODED, PIXELS], scores, points, None)
    assert found is not None
    assert (found.winner, found.ahead["b"].value, found.ahead["b"].low) == ("a", pytest.approx(1.1), pytest.approx(1.1))


def test_cost_is_given_with_a_price_and_asked_for_without() -> None:
    assert words("cost", 3.6, a=(100, 100), b=(50, 50))[1].endswith("A million images at 3.6 an hour: a 10.0, b 20.0.")
    assert words("cost", a=(100, 100), b=(50, 50))[1].endswith("Give --price-per-hour for amounts.")


def test_one_backend_alone_is_undecided() -> None:
    assert words("throughput", a=(100, 100)) == (None, "Highest throughput: undecided; nothing to compare with.")


def test_a_backend_with_a_problem_in_one_input_cannot_win() -> None:
    scores = {each: {"a": [10.0] * 5, "b": [1.0] * 5} for each in (ENCODED, PIXELS)}
    points = [made_point(ENCODED, "a", 10, "3 of 9 requests failed"), made_point(PIXELS, "a", 10)]
    found = recommend("throughput", [ENCODED, PIXELS], scores, points, None)
    assert found is not None
    assert found.winner == "b"
    assert found.sentence == "Highest throughput: b, because b alone was free of problems."


@pytest.mark.parametrize(("kinds", "decides"), [(("offline", "batch"), "offline"), (("batch",), "batch")])
def test_throughput_is_decided_by_offline_or_else_by_the_largest_batch(kinds: tuple[Kind, ...], decides: str) -> None:
    table = [
        Scenario(kind=kind, input="pixels", transport=transport, batch=batch)
        for kind in kinds
        for transport in ("http", "grpc")
        for batch in (2, 8)
    ]
    assert [(each.kind, each.transport, each.batch) for each in deciding("throughput", table)] == [(decides, "http", 8)]


def test_a_goal_whose_scenarios_were_not_measured_has_no_recommendation() -> None:
    assert recommend("wan", [ENCODED], {}, [], None) is None


def test_a_whole_run_says_which_goals_it_can_answer(make_result: MakeResult) -> None:
    summary = make_result({"pytorch": 80, "onnx": 40}).summary
    assert set(summary.recommendations) == {"latency", "throughput", "cost"}
    assert summary.winner == "onnx"
    assert summary.decision.startswith("Highest throughput in requests of 4 images: onnx, as many images per second: ")


def test_a_backend_that_disagrees_cannot_win_anything(make_result: MakeResult) -> None:
    summary = make_result({"pytorch": 80, "onnx": 40}, disagreeing={"onnx"}).summary
    assert summary.winner == "pytorch"
    assert {each.winner for each in summary.verdicts} == {"pytorch"}


def test_an_unfair_comparison_has_no_winner(make_result: MakeResult) -> None:
    result = make_result({"pytorch": 80, "onnx": 40}, served={"onnx": "fp16"})
    assert result.fairness.unfair == ("precision differs: pytorch fp32, onnx fp16",)
    assert result.summary.winner is None
    assert {each.winner for each in result.summary.verdicts} == {None}
    assert result.summary.decision == (
        "No winner: the comparison is not fair: precision differs: pytorch fp32, onnx fp16."
    )
