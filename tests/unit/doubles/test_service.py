import numpy as np
import pytest

from tests.doubles.service import Distribution, Service, Stall


@pytest.mark.parametrize(
    ("distribution", "median_ms", "deviation_ms"),
    [
        ("constant", 20.0, 0.0),
        ("exponential", 20 * np.log(2), 20.0),
        ("lognormal", 20 * np.exp(-0.125), 20 * np.sqrt(np.exp(0.25) - 1)),
    ],
)
def test_the_drawn_times_have_the_distribution_asked_for(
    distribution: Distribution, median_ms: float, deviation_ms: float
) -> None:
    service = Service(20, distribution, sigma=0.5, seed=4)
    drawn = [1e3 * (due - start) for start, due in (service.schedule(float(i)) for i in range(50_000))]
    assert np.mean(drawn) == pytest.approx(20, rel=0.02)
    assert np.median(drawn) == pytest.approx(median_ms, rel=0.02)
    assert np.std(drawn) == pytest.approx(deviation_ms, rel=0.05, abs=1e-6)


def test_one_seed_gives_one_sequence_and_slower_is_in_proportion() -> None:
    plain, again = Service(20, "lognormal", seed=7), Service(20, "lognormal", seed=7)
    slower, other = Service(20, "lognormal", seed=7, slower_percent=10), Service(20, "lognormal", seed=8)
    for _ in range(10):
        time_s = plain.schedule(0)[1]
        assert again.schedule(0)[1] == time_s
        assert slower.schedule(0)[1] == pytest.approx(1.1 * time_s)
        assert other.schedule(0)[1] != time_s


def test_one_at_a_time_is_the_queue_of_theory() -> None:
    """M/D/1: the mean wait is rho / (2 (1 - rho)) service times (Pollaczek-Khinchine)."""
    load, service = 0.7, Service(1000, one_at_a_time=True)
    arrivals = np.cumsum(np.random.default_rng(1).exponential(1 / load, 400_000))
    waits = [service.schedule(float(arrived))[0] - arrived for arrived in arrivals]
    assert np.mean(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.03)


@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_a_stall_stops_what_is_served_and_what_arrives(one_at_a_time: bool) -> None:
    service = Service(100, one_at_a_time=one_at_a_time, stall=Stall(after_s=1, seconds=2))
    assert service.schedule(10.0) == (10.0, pytest.approx(10.1))
    assert service.schedule(10.95) == (10.95, pytest.approx(13.05))  # half served when the stall begins
    assert service.schedule(12.0) == (
        pytest.approx(13.05 if one_at_a_time else 13.0),
        pytest.approx(13.15 if one_at_a_time else 13.1),
    )
    assert service.schedule(20.0) == (20.0, pytest.approx(20.1))
