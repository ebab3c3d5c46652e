"""Where time goes: each server's split of a request, and its start."""

from bench.points import Point
from bench.report.charts import Bar, BarChart, BarGroup
from bench.report.names import key_scenarios, series_name
from bench.result import Result
from bench.scenarios import Kind

SPLIT_PARTS = ("queue", "input", "compute", "output", "rest of the server", "network and client")

_SPLITS: tuple[tuple[Kind, str], ...] = (
    ("single", "one in flight"),
    ("concurrency", "most in flight"),
    ("wan", "distant client"),
)
_SPLIT_CAPTION = (
    "Means by each server's own statistics: waiting for the model, taking the input (and decoding it, where one model "
    "does both), running the model, giving the output, what the server does not assign to these; then what the client "
    "saw on top of that. An ensemble's parts are the sums over its models."
)


def time_splits(result: Result) -> list[BarChart]:
    """Return the mean time of a request by where it went, a chart for each kind of load."""
    found: list[BarChart] = []
    for kind, words in _SPLITS:
        shown = [scenario for scenario in key_scenarios(result.scenarios) if scenario.kind == kind]
        groups = []
        for title in dict.fromkeys(scenario.title.removesuffix(", gRPC") for scenario in shown):
            bars = tuple(
                Bar(series_name(point.backend, point.scenario.transport), point.backend, parts)
                for point in result.summary.points
                if point.scenario in shown
                and point.scenario.title.removesuffix(", gRPC") == title
                and (parts := split_parts(point))
            )
            if bars:
                groups.append(BarGroup(title, bars))
        if groups:
            caption = "" if found else _SPLIT_CAPTION
            title = f"Where a request's time goes, {words}"
            found.append(BarChart(f"time-{kind}", title, caption, "ms per request", SPLIT_PARTS, tuple(groups)))
    return found


def split_parts(point: Point) -> tuple[float, ...] | None:
    """Return a request's mean milliseconds by `SPLIT_PARTS`; None where the server gives no account."""
    split = point.split
    if split is None or point.mean_ms is None:
        return None
    parts = [ns / 1e6 for ns in (split.queue_ns, split.input_ns, split.infer_ns, split.output_ns)]
    total = split.total_ns / 1e6
    return (*parts, max(0.0, total - sum(parts)), max(0.0, point.mean_ms - total))


def startup(result: Result) -> BarChart | None:
    """Return the seconds that each backend took to be ready, by step, and cold and warm where measured."""
    timings = {each.backend: each.timings_s for each in result.startup} or {
        target.name: target.timings_s for target in result.backends
    }
    steps = list(dict.fromkeys(step for each in timings.values() for step, seconds in each.items() if seconds))
    measured: dict[str, list[tuple[str, float | None]]] = {
        "cold: nothing kept": [(each.backend, each.cold_s) for each in result.startup],
        "warm: with what the first start left": [(each.backend, each.warm_s) for each in result.startup],
    }
    starts = {title: [(n, s) for n, s in each if s is not None] for title, each in measured.items()}
    more = any(starts.values())
    groups = []
    if steps:
        bars = (Bar(name, name, _by_step(each, steps, more)) for name, each in timings.items() if any(each.values()))
        groups.append(BarGroup("this run's stack, by step", tuple(bars)))
    for title, each in starts.items():
        if each:
            groups.append(BarGroup(title, tuple(Bar(n, n, (*[None] * len(steps), s)) for n, s in each)))
    if not groups:
        return None
    return BarChart(
        "startup",
        "Seconds to ready",
        "From a process's start until its answers were checked. Compiling, if any, happens here and never in a latency.",
        "seconds",
        (*steps, *(("not split",) if more else ())),
        tuple(groups),
    )


def _by_step(timings: dict[str, float], steps: list[str], more: bool) -> tuple[float | None, ...]:
    return (*(timings.get(step) for step in steps), *((None,) if more else ()))
