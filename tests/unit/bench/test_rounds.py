import numpy as np
import pytest

from bench.rounds import Basis, by_round, point, scores
from bench.scenarios import Scenario
from bench.splits import Split
from bench.telemetry import Telemetry
from bench.telemetry.record import GpuTelemetry
from tests.unit.bench.conftest import window

SINGLE = Scenario(kind="single", input="pixels")
BATCH = Scenario(kind="batch", input="pixels", batch=8)
SERVER = Scenario(kind="server", input="pixels", in_flight=None)


def test_percentiles_are_latencies_that_were_seen() -> None:
    found = point(SINGLE, "a", [window(1, SINGLE, "a", range(1, 101))], Basis())
    assert {name: round(value) for name, value in found.percentiles_ms.items()} == {
        "0": 1, "10": 10, "25": 25, "50": 50, "75": 75, "90": 90, "95": 95, "99": 99, "99.9": 100, "100": 100,
    }  # fmt: skip
    assert (found.requests, found.p99_estimate and found.p99_estimate.ms) == (100, None)
    assert found.p90_estimate is not None
    assert found.p90_estimate.ms is not None
    assert 90 < found.p90_estimate.ms <= 100.1


def test_a_point_s_problem_is_its_failures_its_restart_or_its_disagreement() -> None:
    good, failing = window(1, SINGLE, "a", 5.0), window(2, SINGLE, "a", 5.0, failures=2)
    restarted = good.model_copy(update={"invalid": "restarted"})
    silent = window(2, SINGLE, "a", [])
    basis = Basis(disagreeing={"a"})
    assert point(SINGLE, "a", [good, good], Basis()).problem is None
    assert point(SINGLE, "a", [good, failing], basis).problem == "2 of 6 requests failed"
    assert point(SINGLE, "a", [good, restarted], basis).problem == "restarted"
    assert point(SINGLE, "a", [good, silent], basis).problem == "a round without an answer"
    assert point(SINGLE, "a", [good], basis).problem == "its embeddings are not those of the others"


def test_a_round_without_any_answer_has_no_throughput() -> None:
    found = point(BATCH, "a", [window(1, BATCH, "a", [], failures=5)], Basis())
    assert (found.images_per_s, found.percentiles_ms, found.split, found.histogram) == (None, {}, None, None)


def test_a_few_rounds_have_a_median_but_no_interval() -> None:
    found = point(BATCH, "a", [window(i, BATCH, "a", 80.0 * i) for i in (1, 2, 4)], Basis())
    assert found.images_per_s is not None
    assert (found.images_per_s.value, found.images_per_s.low) == (50, None)


def test_latency_decides_one_image_at_a_time_and_throughput_the_rest() -> None:
    assert scores([window(1, SINGLE, "a", 4.0), window(2, SINGLE, "a", 5.0)]) == pytest.approx([250, 200], rel=1e-3)
    assert scores([window(1, BATCH, "a", 80.0)]) == pytest.approx([100])
    assert scores([window(1, BATCH, "a", 80.0), window(2, BATCH, "a", [])]) == []


@pytest.mark.parametrize(("last", "stable"), [(110.0, True), (140.0, False)])
def test_a_point_is_stable_when_its_last_three_rounds_are_within_ten_percent(last: float, stable: bool) -> None:
    windows = [window(i, BATCH, "a", ms) for i, ms in enumerate([500, 100, 105, last], start=1)]
    assert point(BATCH, "a", windows, Basis()).stable is stable
    assert point(BATCH, "a", windows[:2], Basis()).stable is None


def test_a_point_near_the_null_server_s_is_bound_by_the_client() -> None:
    windows = [window(1, BATCH, "a", 80.0)]  # 100 images/s
    near, far = {("pixels", "http", 8, 1): 110.0}, {("pixels", "http", 8, 1): 112.0}
    assert point(BATCH, "a", windows, Basis(null_images_per_s=near)).client_bound == (  # type: ignore[arg-type]
        "91% of what the same client reaches against a server that computes nothing"
    )
    assert point(BATCH, "a", windows, Basis(null_images_per_s=far)).client_bound is None  # type: ignore[arg-type]


def test_a_busy_client_is_the_limit() -> None:
    found = point(BATCH, "a", [window(1, BATCH, "a", 80.0, client_busy=0.95)], Basis())
    assert found.client_bound == "a client process was busy for 95% of the time"


def test_cost_and_energy_are_per_image() -> None:
    gpu = GpuTelemetry(
        index=0, name="g", samples=2, utilisation=1, memory_bytes=1, energy_j=30, energy_source="counter", power_w=15,
        sm_clock_mhz=1, sm_clock_min_mhz=1, memory_clock_mhz=1, temperature_c=1, throttled={},
    )  # fmt: skip
    seen = Telemetry(elapsed_s=2, gpus=(gpu,), backends={})
    found = point(BATCH, "a", [window(1, BATCH, "a", 80.0, telemetry=seen)], Basis(price_per_hour=3.6))
    assert found.joules_per_image == pytest.approx(15 * 0.16 / 16)  # 15 W over the window's 0.16 s, for 16 images
    assert found.cost_per_million == pytest.approx(10)  # 3.6 an hour is 0.001 a second, at 100 images a second


def test_a_server_point_is_described_by_its_windows_at_the_rate_that_counts() -> None:
    fast = [window(i, SERVER, "a", [10.0] * 600, offered_per_s=100.0, over_bound=0) for i in (1, 2)]
    slow = [window(i, SERVER, "a", [90.0] * 600, offered_per_s=200.0, over_bound=600, step=2) for i in (1, 2)]
    found = point(SERVER, "a", [fast[0], slow[0], fast[1], slow[1]], Basis())
    assert found.server is not None
    assert (found.server.highest_per_s, found.server.status) == (100, "valid")
    assert [rate.passes for rate in found.server.rates] == [True, False]
    assert found.percentiles_ms["99"] == pytest.approx(10, rel=0.01)
    assert found.p50 is None
    assert found.images_per_s is not None
    assert found.images_per_s.rounds == (100, 100)


def test_splits_of_windows_are_pooled() -> None:
    found = point(SINGLE, "a", [window(1, SINGLE, "a", 5.0), window(2, SINGLE, "a", 15.0)], Basis())
    assert isinstance(found.split, Split)
    assert found.split.total_ns == pytest.approx(9e6)


def test_a_server_point_that_kept_the_bound_in_few_rounds_cannot_win() -> None:
    def found(kept_rounds: int) -> str | None:
        windows = [
            window(number, SERVER, "a", [10.0] * 200, offered_per_s=100, over_bound=0 if number <= kept_rounds else 50)
            for number in range(1, 6)
        ]
        return point(SERVER, "a", windows, Basis()).problem

    assert found(3) is None
    assert found(2) == "no rate that was tried kept 50 ms in most rounds"


def test_five_rounds_have_an_interval_and_their_order() -> None:
    windows = [
        window(number, BATCH, "a", ms) for number, ms in ((3, 80.0), (1, 40.0), (2, 100.0), (5, 160.0), (4, 50.0))
    ]
    assert [[each.round for each in found] for found in by_round(windows)] == [[1], [2], [3], [4], [5]]
    found = point(BATCH, "a", windows, Basis(seed=3)).images_per_s
    assert found is not None
    assert (found.low, found.value, found.high) == (50, 100, 200)
    assert found.rounds == (200, 80, 100, 160, 50)


def test_the_failures_of_a_point_are_those_of_all_its_windows() -> None:
    found = point(
        SINGLE, "a", [window(1, SINGLE, "a", 5.0, failures=2), window(2, SINGLE, "a", 5.0, failures=3)], Basis()
    )
    assert (found.requests, found.failures, found.problem) == (4, 5, "5 of 9 requests failed")


def test_only_one_image_at_a_time_has_estimates_of_its_percentiles() -> None:
    windows = [window(1, BATCH, "a", range(1, 101))]
    found = point(BATCH, "a", windows, Basis())
    assert (found.p90_estimate, found.p99_estimate) == (None, None)
    found = point(SINGLE, "a", [window(1, SINGLE, "a", [5.0] * 700)], Basis())
    assert found.p99_estimate is not None
    assert found.p99_estimate.ms == pytest.approx(5, rel=1e-3)
    assert (found.mean_ms, found.histogram is not None) == (pytest.approx(5, rel=1e-3), True)


def test_where_latency_decides_the_throughput_is_still_told_by_round() -> None:
    found = point(SINGLE, "a", [window(1, SINGLE, "a", 4.0), window(2, SINGLE, "a", 5.0)], Basis())
    assert found.images_per_s is not None
    assert found.images_per_s.rounds == pytest.approx((250, 200))
    assert found.p50 is not None
    assert found.p50.rounds == pytest.approx((4, 5), rel=1e-3)
    silent = point(SINGLE, "a", [window(1, SINGLE, "a", 4.0), window(2, SINGLE, "a", [])], Basis())
    assert (silent.images_per_s, silent.p50) == (None, None)


@pytest.mark.parametrize(("busy", "bound"), [(0.9, False), (0.901, True)])
def test_a_client_is_busy_above_nine_tenths_in_the_median_window(busy: float, bound: bool) -> None:
    windows = [window(i, BATCH, "a", 80.0, client_busy=each) for i, each in enumerate([0.1, busy, 1.0], start=1)]
    assert (point(BATCH, "a", windows, Basis()).client_bound is not None) is bound


@pytest.mark.parametrize(
    ("scenario", "key"),
    [
        (SINGLE, ("pixels", "http", 1, 1)),
        (SINGLE.model_copy(update={"transport": "grpc"}), ("pixels", "grpc", 1, 1)),
        (SINGLE.model_copy(update={"kind": "concurrency", "in_flight": 4}), ("pixels", "http", 1, 4)),
        (SINGLE.model_copy(update={"kind": "concurrency", "input": "encoded"}), ("encoded", "http", 1, 1)),
    ],
)
def test_the_client_s_own_limit_is_that_of_the_same_requests(
    scenario: Scenario, key: tuple[str, str, int, int]
) -> None:
    windows = [window(1, scenario, "a", 10.0)]  # 100 images/s
    bound = point(scenario, "a", windows, Basis(null_images_per_s={key: 101.0})).client_bound  # type: ignore[dict-item]
    assert bound is not None
    assert bound.startswith("99% of")
    at_the_limit = Basis(null_images_per_s={key: 100 / 0.9})  # type: ignore[dict-item]
    assert point(scenario, "a", windows, at_the_limit).client_bound is None
    others = dict.fromkeys([("pixels", "http", 2, 1), ("encoded", "grpc", 1, 1), ("pixels", "http", 1, 0)], 1.0)
    assert point(scenario, "a", windows, Basis(null_images_per_s=others)).client_bound is None  # type: ignore[arg-type]


def test_a_slow_link_is_not_held_against_the_client() -> None:
    wan = Scenario(kind="wan", input="pixels")
    near = Basis(null_images_per_s={("pixels", "http", 1, 1): 101.0})
    assert point(wan, "a", [window(1, wan, "a", 10.0)], near).client_bound is None


def energy(joules: float | None, elapsed_s: float) -> Telemetry:
    gpu = GpuTelemetry.model_validate(
        dict.fromkeys(GpuTelemetry.model_fields) | {"index": 0, "name": "g", "samples": 2}
    )
    gpus = () if joules is None else (gpu.model_copy(update={"energy_j": joules}),)
    return Telemetry(elapsed_s=elapsed_s, gpus=gpus, backends={})


def test_energy_is_that_of_all_windows_over_their_images() -> None:
    windows = [
        window(1, BATCH, "a", 80.0, telemetry=energy(30, 2)),  # 15 W over 0.16 s
        window(2, BATCH, "a", 160.0, telemetry=energy(20, 0.5)),  # 40 W over 0.32 s
    ]
    joules = point(BATCH, "a", windows, Basis()).joules_per_image
    assert joules == pytest.approx((15 * 0.16 + 40 * 0.32) / 32)
    for unknown in (None, energy(None, 2), energy(30, 0)):
        silent = [windows[0], windows[1].model_copy(update={"telemetry": unknown})]
        assert point(BATCH, "a", silent, Basis()).joules_per_image is None
    nothing = window(1, BATCH, "a", [], telemetry=energy(30, 2))
    assert point(BATCH, "a", [nothing], Basis()).joules_per_image is None


def test_a_window_counts_when_nothing_failed_and_something_was_answered() -> None:
    assert window(1, BATCH, "a", 80.0).clean
    assert window(1, BATCH, "a", [80.0]).clean
    assert not window(1, BATCH, "a", 80.0, failures=1).clean
    assert not window(1, BATCH, "a", 80.0, invalid="restarted").clean
    assert not window(1, BATCH, "a", []).clean


def test_the_same_seed_gives_the_same_figures() -> None:
    milliseconds = np.random.default_rng(5).normal(100, 10, 100).tolist()
    windows = [window(number, BATCH, "a", ms) for number, ms in enumerate(milliseconds, start=1)]
    found = [[point(BATCH, "a", windows, Basis(seed=seed)) for seed in (1, 2, 3)] for _ in range(2)]
    assert [(each.images_per_s, each.p50) for each in found[0]] == [(each.images_per_s, each.p50) for each in found[1]]


def test_a_million_images_are_a_million() -> None:
    cost = point(BATCH, "a", [window(1, BATCH, "a", 80.0)], Basis(price_per_hour=3.6)).cost_per_million
    assert cost == pytest.approx(10, rel=1e-9)


def test_a_round_is_scored_by_its_median_latency_its_throughput_or_its_rate() -> None:
    uneven = [0.5, 0.5, 5.0]
    assert scores([window(1, SINGLE, "a", uneven)]) == [2000]
    assert scores([window(1, BATCH, "a", uneven)]) == [pytest.approx(24 / 0.006)]
    assert scores([window(1, SERVER, "a", uneven, offered_per_s=70.0, over_bound=0)]) == [70]


def test_three_rounds_are_enough_to_be_stable() -> None:
    assert point(BATCH, "a", [window(i, BATCH, "a", 80.0) for i in (1, 2, 3)], Basis()).stable is True


def test_random_arrivals_have_no_number_in_flight_that_the_client_s_limit_depends_on() -> None:
    windows = [window(1, SERVER, "a", [10.0] * 600, offered_per_s=100.0, over_bound=0)]
    for in_flight, bound in ((0, True), (1, False)):
        near = Basis(null_images_per_s={("pixels", "http", 1, in_flight): 101.0})
        assert (point(SERVER, "a", windows, near).client_bound is not None) is bound


def test_half_of_the_rounds_are_not_most() -> None:
    windows = [
        window(number, SERVER, "a", [10.0] * 200, offered_per_s=100.0, over_bound=0 if number <= 2 else 50)
        for number in range(1, 5)
    ]
    assert point(SERVER, "a", windows, Basis(p99_ms=40)).problem == "no rate that was tried kept 40 ms in most rounds"
