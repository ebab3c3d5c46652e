"""What a report of one run has, in its order: the decision, the table, the charts, the evidence, the method."""

from typing import TypeVar

from bench.report import conditions, costs, curves, hardware, keeping, latencies, outcome, tables
from bench.report.contestants import contestants, named
from bench.report.document import Document, Section, plain
from bench.report.names import key_scenarios
from bench.result import Result

T = TypeVar("T")


def contents(result: Result) -> Document:
    """Return the report of `result`."""
    document = Document(
        title=outcome.title(result),
        decision=plain(result.summary.decision),
        about=outcome.about(result),
        warnings=tuple(outcome.warnings(result)),
        sections=tuple(section for section in _sections(result) if section.text or section.tables or section.charts),
        backends=result.measured,
    )
    return named(document, contestants(result))


def _sections(result: Result) -> list[Section]:
    key = key_scenarios(result.scenarios)
    return [
        Section("By goal", tables=_kept(tables.goals(result))),
        Section("Cost", tables=_kept(tables.costs(result))),
        Section(
            "Results",
            _results(result),
            _kept(
                *(
                    tables.outcomes(result, [s for s in key if s.transport == each], f"Over {words}")
                    for each, words in (("http", "HTTP"), ("grpc", "gRPC"))
                )
            ),
        ),
        Section(
            "Latency against load",
            charts=_kept(curves.latency_by_rate(result), curves.latency_by_concurrency(result)),
            tables=_kept(tables.server_rates(result)),
        ),
        Section(
            "Throughput",
            charts=_kept(curves.throughput_by_batch(result), curves.throughput_by_concurrency(result)),
        ),
        Section(
            "Latency",
            "Milliseconds per request, as the client sees it, over all rounds. A percentile that no request is above is left out.",
            (
                tables.latencies(result, [s for s in key if s.kind in ("single", "wan")]),
                *_kept(tables.estimates(result)),
            ),
            _kept(latencies.latency_percentiles(result)),
        ),
        Section("Where the time goes", charts=tuple(costs.time_splits(result))),
        Section("Start-up", charts=_kept(costs.startup(result))),
        Section(
            "Hardware",
            charts=_kept(hardware.energy_by_batch(result), hardware.busy_by_concurrency(result)),
            tables=_kept(hardware.table(result)),
        ),
        Section(
            "Agreement",
            "Embeddings of the same photos: the largest distance between two backends, relative to the median distance "
            "between two photos, before and after the measurement."
            if tables.agreement(result)
            else "",
            _kept(tables.agreement(result)),
        ),
        Section(
            "Backends", "Settings as read back from each server.", _kept(tables.served(result), tables.skipped(result))
        ),
        Section("Every point", "", (tables.latencies(result),), page_only=True, folded=True),
        Section("Every verdict", "", _kept(tables.outcomes(result)), page_only=True, folded=True),
        Section("Conditions", "", (conditions.conditions(result),)),
        Section("Method", conditions.method(result)),
        Section("Limits", conditions.limits(result)),
        Section("What to do", keeping.told(result)),
    ]


def _results(result: Result) -> str:
    if len(result.measured) < 2:
        return "Median of the rounds with its 95 % interval."
    wins = outcome.wins(result)
    named = {"tie": "ties", "undecided": "undecided"}
    counts = ", ".join(f"{named.get(name, name)} {number}" for name, number in wins.items())
    reason = tables.common_reason(result)
    return (
        f"Median of the rounds with its 95 % interval; the margin says how many times as good the leader is as each other. "
        f"Of all {len(result.summary.verdicts)} scenarios: {counts}."
        + (f" {plain(reason[0].upper() + reason[1:])}." if reason else "")
    )


def _kept(*found: T | None) -> tuple[T, ...]:
    return tuple(each for each in found if each is not None)
