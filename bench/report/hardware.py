"""What the servers' processes and GPUs did meanwhile, where somebody could look (`bench.telemetry`)."""

from collections.abc import Iterable
from statistics import fmean

from bench.figures import number, optional
from bench.points import Point
from bench.report.charts import LineChart, Spot
from bench.report.curves import against
from bench.report.document import Table
from bench.report.names import key_scenarios, marks
from bench.result import Result
from bench.scenarios import Scenario
from bench.telemetry.record import GpuTelemetry, Telemetry

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
        [point.scenario.title, point.backend, *_cells(looks(result, point), point)]
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
        share = _mean(gpu.utilisation for gpu in _gpus(looks(result, point)))
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


def looks(result: Result, point: Point) -> list[Telemetry]:
    """Return the telemetry of a point's windows."""
    return [
        window.telemetry
        for window in result.windows
        if window.scenario == point.scenario and window.backend == point.backend and window.telemetry
    ]


def _gpus(telemetry: Iterable[Telemetry]) -> list[GpuTelemetry]:
    return [gpu for look in telemetry for gpu in look.gpus or ()]


def _cells(telemetry: list[Telemetry], point: Point) -> list[str]:
    servers = [(look.elapsed_s, each) for look in telemetry if (each := look.backends.get(point.backend))]
    gpus = _gpus(telemetry)
    busy = _mean(gpu.utilisation for gpu in gpus)
    return [
        optional(_mean(each.cpu_s / elapsed for elapsed, each in servers)),
        _mebibytes(each.resident_bytes for _, each in servers),
        "-" if busy is None else f"{busy:.0%}",
        _mebibytes(each.gpu_memory_bytes for _, each in servers),
        optional(_mean(gpu.power_w for gpu in gpus)),
        optional(point.joules_per_image),
        optional(_mean(gpu.sm_clock_mhz for gpu in gpus)),
        optional(max((gpu.temperature_c for gpu in gpus if gpu.temperature_c is not None), default=None)),
        _throttled(gpus),
    ]


def _throttled(gpus: Iterable[GpuTelemetry]) -> str:
    told = [gpu.throttled for gpu in gpus if gpu.throttled is not None]
    if not told:
        return "-"
    reasons = sorted({reason for each in told for reason, share in each.items() if share})
    return ", ".join(f"{reason} {fmean(each.get(reason, 0.0) for each in told):.0%}" for reason in reasons) or "no"


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _mebibytes(values: Iterable[int | None]) -> str:
    known = [value for value in values if value is not None]
    return number(max(known) / 2**20) if known else "-"
