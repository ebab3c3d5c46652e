"""The tables of a report."""

from collections.abc import Sequence

from bench.figures import interval, number, optional, ratio, relative
from bench.parity import Parity
from bench.points import Point, ServerLoad
from bench.report.document import Table, plain
from bench.report.names import UNITS, key_scenarios, marks, verdict_words
from bench.result import Result
from bench.scenarios import Scenario
from bench.verdicts import Verdict


def goals(result: Result) -> Table | None:
    """Return the recommendation for each goal; None where only one backend or one goal was measured."""
    found = result.summary.recommendations
    if len(result.measured) < 2 or len(found) < 2:
        return None
    rows = [
        [goal, f"**{each.winner}**" if each.winner else "tie" if each.ahead else "undecided", plain(each.sentence)]
        for goal, each in found.items()
    ]
    return Table(["goal", "take", "why"], rows)


def outcomes(result: Result, scenarios: Sequence[Scenario] | None = None, title: str = "") -> Table | None:
    """Return figures, winner and margin by scenario; of all where none are given. None where there are none."""
    points = {(point.scenario, point.backend): point for point in result.summary.points}
    verdicts = [each for each in result.summary.verdicts if scenarios is None or each.scenario in scenarios]
    names = [name for name in result.measured if any((each.scenario, name) in points for each in verdicts)]
    if not names:
        return None
    several = len(names) > 1
    rows = [
        [
            verdict.scenario.title,
            UNITS[verdict.scenario.kind],
            *(_decisive(points.get((verdict.scenario, name)), verdict) for name in names),
            *([_outcome(verdict)] if several else []),
        ]
        for verdict in verdicts
    ]
    return Table(["scenario", "figure", *names, *(["winner and margin"] if several else [])], rows, title=title)


def _decisive(point: Point | None, verdict: Verdict) -> str:
    if point is None:
        return "-"
    value = point.p50 if point.scenario.metric == "p50_ms" else point.images_per_s
    text, ends = interval(value).partition(" ")[::2]
    if verdict.winner == point.backend:
        text = f"**{text}**"
    return "\n".join(part for part in (text, ends, ", ".join(marks(point))) if part)


def _outcome(verdict: Verdict) -> str:
    lines = [ratio(value, name) for name, value in verdict.ahead.items()]
    if verdict.reason:
        lines.append(plain(verdict.reason))
    words = verdict_words(verdict)
    if verdict.winner:
        words = f"**{words}**"
    elif verdict.ahead:
        words = f"{words}, {verdict.leader} ahead:"
    return "\n".join([words, *lines])


def latencies(result: Result, scenarios: list[Scenario] | None = None) -> Table:
    """Return requests, failures and percentiles of every point, or of those of `scenarios`."""
    rows = [
        [
            point.scenario.title,
            point.backend,
            f"{point.requests:,}",
            f"{point.failures:,}",
            *(optional(point.percentiles_ms.get(key)) for key in ("50", "90", "99", "99.9")),
            interval(point.images_per_s),
            ", ".join(marks(point)) or "-",
        ]
        for point in result.summary.points
        if scenarios is None or point.scenario in scenarios
    ]
    heads = ["scenario", "backend", "requests", "failed", "p50", "p90", "p99", "p99.9", "images/s", "mark"]
    return Table(heads, rows, right=2)


def estimates(result: Result) -> Table | None:
    """Return MLPerf's early-stopping estimates of the `single` scenarios; None where there are none."""
    rows = []
    for point in result.summary.points:
        if point.p90_estimate is None and point.p99_estimate is None:
            continue
        cells = [
            "-" if each is None else f"needs {each.needed:,}" if each.ms is None else number(each.ms)
            for each in (point.p90_estimate, point.p99_estimate)
        ]
        rows.append([point.scenario.title, point.backend, f"{point.requests:,}", *cells])
    return (
        Table(
            ["scenario", "backend", "requests", "p90 at most", "p99 at most"],
            rows,
            2,
            "MLPerf's estimates, with 99 % confidence",
        )
        if rows
        else None
    )


def server_rates(result: Result) -> Table | None:
    """Return the highest arrival rate within the bound; None where it was not searched."""
    rows = [
        [
            point.scenario.title,
            point.backend,
            optional(point.server.highest_per_s),
            _at(point.server),
            _status(point.server),
        ]
        for point in result.summary.points
        if point.server
    ]
    return Table(["scenario", "backend", "requests/s", "p99 there, ms", "by MLPerf's test"], rows) if rows else None


def _at(server: ServerLoad) -> str:
    return optional(next((rate.p99_ms for rate in server.rates if rate.per_s == server.highest_per_s), None))


def _status(server: ServerLoad) -> str:
    return {
        "valid": "valid",
        "insufficient": f"too few requests: one rate needs {server.needed:,}",
        "none": f"even the lowest rate was over {number(server.bound_ms)} ms",
    }[server.status]


def agreement(result: Result) -> Table | None:
    """Return the spot checks before and after; None where only one backend was measured."""
    after = {(p.backend, p.input): p for p in result.parity_after}
    rows = []
    for parity in result.parity_before:
        if parity.backend == parity.reference:
            continue
        later = after.get((parity.backend, parity.input))
        rows.append(
            [
                f"{parity.backend} and {parity.reference}",
                parity.input,
                _error(parity),
                _error(later) if later else "-",
                "-" if parity.bound is None else f"{parity.bound:g}",
                "-" if parity.cosine is None else f"{parity.cosine:.6f}",
            ]
        )
    heads = ["backends", "input", "before", "after", "bound", "smallest cosine"]
    return Table(heads, rows, right=2) if rows else None


def _error(parity: Parity) -> str:
    words = {True: " agrees", False: " **disagrees**", None: f" ({parity.reason})"}
    return f"{relative(parity.error)}{words[parity.agrees]}"


def served(result: Result) -> Table:
    """Return the settings read back from each backend, and the state of those that were not measured."""
    settings = {each.backend: each for each in result.fairness.served}
    rows = []
    for target in result.backends:
        told = settings.get(target.name)
        start = f"ready after {target.elapsed_s:.1f} s" if target.ready and target.elapsed_s is not None else ""
        rows.append(
            [
                target.name,
                target.server or "-",
                plain(target.reason or start or target.state),
                told.precision or "-" if told else "-",
                _whole(told.max_batch_size if told else None),
                _whole(told.batch_delay_us if told else None),
            ]
        )
    return Table(["backend", "server", "state", "precision", "largest batch", "batching delay, us"], rows)


def _whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def skipped(result: Result) -> Table | None:
    """Return what was asked for and not measured; None where everything was."""
    rows = [[plain(each.what), plain(each.reason)] for each in result.skipped]
    return Table(["not measured", "why"], rows) if rows else None


def costs(result: Result) -> Table | None:
    """Return the price of a million images; None without a price."""
    found = {(p.scenario, p.backend): f"{p.cost_per_million:,.2f}" for p in result.summary.points if p.cost_per_million}
    rows = [
        [scenario.title, *(found.get((scenario, name), "-") for name in result.measured)]
        for scenario in key_scenarios(result.scenarios)
        if scenario.transport == "http" and any((scenario, name) in found for name in result.measured)
    ]
    return Table(["price of a million images", *result.measured], rows, right=1) if rows else None
