"""What the servers' processes and GPUs did meanwhile, where somebody could look (`bench.telemetry`)."""

from collections.abc import Iterable
from statistics import fmean
from typing import Any

from bench.points import Point
from bench.report.charts import LineChart, Spot
from bench.report.curves import against
from bench.report.document import Table
from bench.report.figures import number, optional
from bench.report.names import key_scenarios, marks
from bench.result import Result
from bench.scenarios import Scenario

HEADS = (
    "scenario",
    "backend",
    "CPU, cores",
    "memory, MiB",
    "GPU busy",
    "GPU memory, MiB",
    "power, W",
    "J per image",
    "clock, MHz",
    "hottest, C",
    "throttled",
)


def table(result: Result) -> Table | None:
    """Return means under the heaviest loads; columns that nobody could fill are left out. None where none is left."""
    rows = [
        [point.scenario.title, point.backend, *_cells(looks(result, point.scenario, point.backend), point)]
        for point in result.summary.points
        if point.scenario in _heaviest(result)
    ]
    kept = [i for i in range(len(HEADS)) if i < 2 or any(row[i] != "-" for row in rows)]
    if len(kept) == 2:
        return None
    return Table([HEADS[i] for i in kept], [[row[i] for i in kept] for row in rows], right=2)


def energy_by_batch(result: Result) -> LineChart | None:
    """Return the GPU's energy per image against images per request."""

    def energy(point: Point) -> Spot | None:
        joules = point.joules_per_image
        return Spot(point.scenario.batch, joules, marks=marks(point)) if joules else None

    return against(
        result,
        ("single", "batch"),
        energy,
        key="energy",
        title="GPU energy against batch size",
        caption="Of the whole board, idle power included, by NVML.",
        x_label="images per request",
        y_label="J per image",
    )


def busy_by_concurrency(result: Result) -> LineChart | None:
    """Return the part of the time in which the GPU ran a kernel against requests in flight."""

    def busy(point: Point) -> Spot | None:
        share = _mean(_gpus(looks(result, point.scenario, point.backend)), "utilisation")
        return None if share is None else Spot(point.scenario.in_flight or 1, 100 * share)

    return against(
        result,
        ("single", "concurrency"),
        busy,
        key="gpu-busy",
        title="GPU busy against requests in flight",
        caption="The part of the time in which some kernel ran, by NVML; it says nothing of how full the GPU was.",
        x_label="requests in flight",
        y_label="% of the time",
    )


def _heaviest(result: Result) -> list[Scenario]:
    """Return the scenarios of maximum throughput over HTTP, or what comes nearest to them."""
    key = [scenario for scenario in key_scenarios(result.scenarios) if scenario.transport == "http"]
    for kind in ("offline", "concurrency", "batch", "single"):
        if found := [scenario for scenario in key if scenario.kind == kind]:
            return found
    return key


def looks(result: Result, scenario: Scenario, backend: str) -> list[dict[str, Any]]:
    """Return the telemetry of a point's windows."""
    return [
        window.telemetry
        for window in result.windows
        if window.scenario == scenario and window.backend == backend and window.telemetry
    ]


def _gpus(telemetry: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [gpu for look in telemetry for gpu in look.get("gpus") or ()]


def _cells(telemetry: list[dict[str, Any]], point: Point) -> list[str]:
    servers = [
        each | {"cores": each["cpu_s"] / look["elapsed_s"]}
        for look in telemetry
        if look.get("elapsed_s") and (each := (look.get("backends") or {}).get(point.backend))
    ]
    gpus = _gpus(telemetry)
    busy = _mean(gpus, "utilisation")
    return [
        optional(_mean(servers, "cores")),
        _mebibytes(servers, "resident_bytes"),
        "-" if busy is None else f"{busy:.0%}",
        _mebibytes(servers, "gpu_memory_bytes"),
        optional(_mean(gpus, "power_w")),
        optional(point.joules_per_image),
        optional(_mean(gpus, "sm_clock_mhz")),
        optional(max(_values(gpus, "temperature_c"), default=None)),
        _throttled(gpus),
    ]


def _throttled(gpus: list[dict[str, Any]]) -> str:
    told = [gpu["throttled"] for gpu in gpus if gpu.get("throttled") is not None]
    if not told:
        return "-"
    reasons = sorted({reason for each in told for reason, share in each.items() if share})
    return ", ".join(f"{reason} {fmean(each.get(reason, 0.0) for each in told):.0%}" for reason in reasons) or "no"


def _values(entries: Iterable[dict[str, Any]], field: str) -> list[float]:
    return [float(value) for entry in entries if (value := entry.get(field)) is not None]


def _mean(entries: Iterable[dict[str, Any]], field: str) -> float | None:
    values = _values(entries, field)
    return fmean(values) if values else None


def _mebibytes(entries: Iterable[dict[str, Any]], field: str) -> str:
    values = _values(entries, field)
    return number(max(values) / 2**20) if values else "-"
