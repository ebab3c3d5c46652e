from dataclasses import replace

import pytest

from bench.telemetry.nvml import Look
from bench.telemetry.window import summarise

LOOK = Look(
    utilisation=0.5,
    memory_bytes=100,
    power_w=200.0,
    energy_j=1000.0,
    sm_clock_mhz=1700,
    memory_clock_mhz=2600,
    temperature_c=41,
    throttle_reasons=(),
)
NOTHING = Look(None, None, None, None, None, None, None, None)


def test_energy_is_the_counter_s_difference_where_there_is_one() -> None:
    figures = summarise(0, "GPU", [(10.0, LOOK), (12.0, replace(LOOK, energy_j=1500.0))])
    assert (figures.energy_j, figures.energy_source, figures.power_w) == (500.0, "counter", 250.0)


@pytest.mark.parametrize("end", [None, 3.0])  # no counter, or one that began anew
def test_energy_is_else_the_integral_of_power_over_uneven_looks(end: float | None) -> None:
    begin = None if end is None else 1000.0
    looks = [
        (0.0, replace(LOOK, energy_j=begin, power_w=100.0)),
        (1.0, replace(LOOK, energy_j=begin, power_w=200.0)),
        (1.5, replace(LOOK, energy_j=begin, power_w=None)),
        (4.0, replace(LOOK, energy_j=end, power_w=400.0)),
    ]
    figures = summarise(0, "GPU", looks)
    assert figures.energy_j == pytest.approx(150 + 900)
    assert figures.energy_source == "power"
    assert figures.power_w == pytest.approx(1050 / 4)


def test_means_extremes_and_shares() -> None:
    looks = [
        (0.0, LOOK),
        (1.0, replace(LOOK, utilisation=1.0, memory_bytes=300, sm_clock_mhz=1400, temperature_c=60,
                      throttle_reasons=("sw_power_cap",))),
        (2.0, replace(LOOK, utilisation=0.0, throttle_reasons=("sw_power_cap", "hw_slowdown"))),
        (3.0, replace(LOOK, throttle_reasons=None)),
    ]  # fmt: skip
    figures = summarise(1, "GPU", looks)
    assert figures.utilisation == 0.5
    assert figures.memory_bytes == 300
    assert (figures.sm_clock_mhz, figures.sm_clock_min_mhz) == (1625, 1400)
    assert figures.temperature_c == 60
    assert figures.throttled == {"hw_slowdown": pytest.approx(1 / 3), "sw_power_cap": pytest.approx(2 / 3)}


def test_what_the_gpu_does_not_tell_is_none() -> None:
    figures = summarise(0, "GPU", [(0.0, NOTHING), (1.0, NOTHING)]).model_dump()
    assert {name for name, value in figures.items() if value is not None} == {"index", "name", "samples"}
