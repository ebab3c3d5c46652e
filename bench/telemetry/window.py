"""From the looks at one GPU during a window to its figures."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from statistics import fmean

from bench.telemetry.nvml import Look
from bench.telemetry.record import GpuTelemetry


def summarise(index: int, name: str, looks: Sequence[tuple[float, Look]]) -> GpuTelemetry:
    """Return the figures of one GPU.

    Args:
        index, name: of the GPU.
        looks: moments in seconds and what was seen, in their order; the first and the last are the window's ends.
    """

    def of(values: Callable[[Sequence[float]], float], field: str) -> float | None:
        seen = [value for _, look in looks if (value := getattr(look, field)) is not None]
        return values(seen) if seen else None

    elapsed = looks[-1][0] - looks[0][0]
    counted, integrated = _counted(looks), _integrated(looks)
    energy = integrated if counted is None else counted
    memory = of(max, "memory_bytes")
    return GpuTelemetry(
        index=index,
        name=name,
        samples=len(looks),
        utilisation=of(fmean, "utilisation"),
        memory_bytes=None if memory is None else int(memory),
        energy_j=energy,
        energy_source=None if energy is None else "power" if counted is None else "counter",
        power_w=energy / elapsed if energy is not None and elapsed > 0 else of(fmean, "power_w"),
        sm_clock_mhz=of(fmean, "sm_clock_mhz"),
        sm_clock_min_mhz=of(min, "sm_clock_mhz"),
        memory_clock_mhz=of(fmean, "memory_clock_mhz"),
        temperature_c=of(max, "temperature_c"),
        throttled=_shares(look.throttle_reasons for _, look in looks),
    )


def _counted(looks: Sequence[tuple[float, Look]]) -> float | None:
    first, last = looks[0][1].energy_j, looks[-1][1].energy_j
    return last - first if first is not None and last is not None and last >= first else None


def _integrated(looks: Sequence[tuple[float, Look]]) -> float | None:
    powers = [(moment, look.power_w) for moment, look in looks if look.power_w is not None]
    if len(powers) < 2:
        return None
    return sum((after - before) * (low + high) / 2 for (before, low), (after, high) in pairwise(powers))


def _shares(reasons: Iterable[tuple[str, ...] | None]) -> dict[str, float] | None:
    told = [names for names in reasons if names is not None]
    if not told:
        return None
    return {
        name: sum(name in names for names in told) / len(told) for name in sorted({n for names in told for n in names})
    }
