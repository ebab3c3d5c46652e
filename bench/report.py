"""The report of a run, in Markdown: the decision first, the evidence next, the method and its limits at the end."""

from collections.abc import Iterable, Sequence
from typing import Any

from bench.figures import gigabytes, megabytes, milliseconds, ratio, relative, speed
from bench.parity import Parity
from bench.points import Point
from bench.result import Result
from bench.verdicts import Verdict

FEW = 100
"""With fewer requests than this the nearest-rank p99 is the slowest request."""


def render(result: Result) -> str:
    """Return the report of `result` as Markdown."""
    sections = [
        _decision(result),
        _throughput(result),
        _latency(result),
        _split(result),
        _agreement(result),
        _backends(result),
        _conditions(result),
        _method(result),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def verdict_words(verdict: Verdict) -> str:
    """Return a scenario's outcome: the winner, `tie`, or `undecided` where nothing could be compared."""
    return verdict.winner or ("tie" if verdict.ahead else "undecided")


def _decision(result: Result) -> str:
    summary = result.summary
    if len(result.measured) == 1:
        title = f"CLIP bake-off: {result.measured[0]} alone"
    else:
        compared = any(verdict.ahead or verdict.winner for verdict in summary.verdicts)
        outcome = f"{summary.winner} wins" if summary.winner else "a tie" if compared else "undecided"
        title = f"CLIP bake-off: {outcome}"
    parts = [f"# {title}", f"**{summary.decision}**"]
    parts += [f"> {warning}" for warning in warnings(result)]
    if len(result.measured) > 1:
        rows = [[v.scenario.title, _strong(verdict_words(v), v.winner), *_margin(v)] for v in summary.verdicts]
        parts.append(_table(["scenario", "winner", "fastest", "how many times as good as (99 % interval)"], rows))
    return "\n\n".join(parts)


def warnings(result: Result) -> list[str]:
    """Return what a reader must know before the figures, each in Markdown."""
    found = []
    if result.model.get("embeddings_meaningful") is False:
        note = result.model.get("note")
        found.append(
            "**Random weights: the embeddings mean nothing; the speeds are real.**" + (f" ({note})" if note else "")
        )
    if result.interrupted:
        found.append(
            f"**Interrupted:** {result.complete_rounds} of {result.settings.rounds} rounds are complete and count."
        )
    for name in dict.fromkeys(parity.backend for parity in _parities(result) if parity.agrees is False):
        found.append(
            f"**{name} disagrees:** its embeddings are not those of the others, so it cannot win (see Agreement)."
        )
    for point in result.summary.points:
        if point.failures:
            errors = dict.fromkeys(
                error
                for window in result.windows
                if window.backend == point.backend and window.scenario == point.scenario
                for error in window.errors
            )
            found.append(
                f"**{point.backend}, {point.scenario.title}: {point.problem}.** It cannot win there. "
                + _code("; ".join(list(errors)[:2]))
            )
        elif point.problem and not point.problem.startswith("its embeddings"):
            found.append(f"**{point.backend}, {point.scenario.title}: {point.problem}.** It cannot win there.")
    found += [f"**Unfair:** {reason}" for reason in result.fairness.unfair]
    for point in result.summary.points:
        if point.client_bound:
            found.append(
                f"**{point.backend}, {point.scenario.title}: the client was the limit**: {point.client_bound}."
            )
    return found


def _margin(verdict: Verdict) -> list[str]:
    figures = ", ".join(ratio(value, name) for name, value in verdict.ahead.items())
    return [verdict.leader or "-", figures or verdict.reason or "-"]


def _throughput(result: Result) -> str:
    rows = []
    for scenario in result.scenarios:
        points = {p.backend: p for p in result.summary.points if p.scenario == scenario}
        rows.append([scenario.title, *(_speed(points[name]) if name in points else "-" for name in result.measured)])
    rounds = result.complete_rounds
    text = f"Images per second: the median of {_count(rounds, 'round')}, with its 95 % bootstrap interval."
    return f"## Throughput\n\n{text}\n\n{_table(['scenario', *result.measured], rows, right=1)}"


def _speed(point: Point) -> str:
    return f"{speed(point)} !" if point.problem else speed(point)


def _latency(result: Result) -> str:
    rows = [
        [
            point.scenario.title,
            point.backend,
            f"{point.requests:,}",
            f"{point.failures:,}",
            *(milliseconds(point.percentiles_ms.get(name)) for name in ("50", "95", "99")),
        ]
        for point in result.summary.points
    ]
    text = "Milliseconds per request, as the client sees it, over all rounds."
    if any(0 < point.requests < FEW for point in result.summary.points):
        text += f" Of fewer than {FEW} requests the p99 is the slowest one, and the p95 rests on a handful."
    table = _table(["scenario", "backend", "requests", "failed", "p50", "p95", "p99"], rows, right=2)
    return f"## Latency\n\n{text}\n\n{table}"


def _split(result: Result) -> str:
    rows = []
    for point in result.summary.points:
        split, start = point.split, [point.scenario.title, point.backend]
        if split is None or point.mean_ms is None:
            rows.append([*start, *["-"] * 7])
            continue
        parts = [split.queue_ns, split.input_ns, split.infer_ns, split.output_ns]
        other = split.total_ns - sum(parts)
        rows.append(
            [
                *start,
                *(_short(ns / 1e6) for ns in (*parts, other, split.total_ns)),
                _short(point.mean_ms - split.total_ns / 1e6),
            ]
        )
    text = (
        "Mean milliseconds per request by each server's own statistics: waiting for the model, taking the input,\n"
        "running the model, giving the output, what it does not assign to these, and all together; then what the\n"
        "client saw on top of that (HTTP, network, client). An ensemble's parts are the sums over its models."
    )
    heads = ["scenario", "backend", "queue", "input", "infer", "output", "rest", "server", "outside"]
    return f"## Where the time goes\n\n{text}\n\n{_table(heads, rows, right=2)}"


def _short(ms: float) -> str:
    return f"{round(ms, 2) + 0.0:.2f}" if abs(ms) < 100 else f"{ms:,.0f}"  # adding 0.0 makes -0.0 a plain 0


def _agreement(result: Result) -> str:
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
    if not rows:
        return ""
    text = (
        "Embeddings of the same photos: the largest distance between two backends, relative to the median distance\n"
        "between two photos, before and after the measurement."
    )
    table = _table(["backends", "input", "before", "after", "bound", "smallest cosine"], rows, right=2)
    return f"## Agreement\n\n{text}\n\n{table}"


def _error(parity: Parity) -> str:
    words = {True: " agrees", False: " **disagrees**", None: f" ({parity.reason})"}
    return f"{relative(parity.error)}{words[parity.agrees]}"


def _backends(result: Result) -> str:
    rows = []
    for target in result.backends:
        start = f"ready after {target.elapsed_s:.1f} s" if target.ready and target.elapsed_s is not None else ""
        note = target.reason or start
        rows.append([target.name, target.server or "-", target.state, note])
    return f"## Backends\n\n{_table(['backend', 'server', 'state', 'note'], rows)}"


def _conditions(result: Result) -> str:
    machine, model, photos, settings = result.machine, result.model, result.photos, result.settings
    window = f"windows of {settings.window_s:.2g} s, fitted into {settings.time_budget_s:g} s"
    used = f"{photos.used} photos" if photos.used == photos.found else f"{photos.used} of {photos.found:,} photos"
    rows = [
        ["model", ", ".join(str(model[key]) for key in ("name", "architecture", "precision") if model.get(key))],
        ["weights", _weights(model)],
        ["photos", f"{used}, {megabytes(photos.bytes)}, from {_code(photos.folder)}"],
        [
            "CPU",
            f"{machine.cpu}, {_count(machine.cores, 'core')}, {gigabytes(machine.memory_bytes)}",
        ],
        ["GPU", ", ".join(machine.gpus) + f", driver {machine.driver}" if machine.gpus else "none"],
        ["system", machine.os],
        ["versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())],
        ["commit", machine.commit or "-"],
        [
            "run",
            f"{result.started} to {result.finished}, {_count(result.complete_rounds, 'round')}, {window}, "
            f"seed {settings.seed}",
        ],
        ["command", _code(result.command)],
    ]
    return f"## Conditions\n\n{_table(['', ''], rows)}"


METHOD = """\
- One backend is loaded at a time while the others idle; every point is measured once a round, in random order. Windows took
  {shortest:.1f} to {longest:.1f} s, with at least {min_requests} requests each; warm-up is not counted.
- Latency runs from just before the request is sent (in `server`, from the moment it was scheduled for) to its whole answer. A
  failed request, a refusal, or an answer that is no embedding is a failure, never a latency, and a point marked `!` cannot win.
- A winner leads every other backend by paired differences (of logarithms, per round) whose 99 % interval (Student's) excludes
  zero, and by 2 % at least; else it is a tie.
- One machine, one run: the intervals cover what differs between its rounds, not what differs between two starts. The whole
  method and its limits are in docs/benchmark.md; the figures of every window are in `result.json`."""


def _weights(model: dict[str, Any]) -> str:
    asked, used = model.get("pretrained") or "-", model.get("source") or model.get("pretrained") or "-"
    text = f"{used}" if asked == used else f"{used} (asked for: {asked})"
    digest = model.get("weights_sha256")
    return f"{text}, SHA-256 {_code(str(digest)[:12])}" if digest else text


def _method(result: Result) -> str:
    seconds = [window.elapsed_s for window in result.windows]
    text = METHOD.format(
        shortest=min(seconds),
        longest=max(seconds),
        min_requests=result.settings.min_requests,
    )
    return f"## Method and limits\n\n{text}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _parities(result: Result) -> Iterable[Parity]:
    return (*result.parity_before, *result.parity_after)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: int | None = None) -> str:
    """Return a Markdown table that reads well as plain text too; columns from `right` on are right-aligned."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (heads, *rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(heads))]

    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(_pad(cell, widths[i], right, i) for i, cell in enumerate(row)) + " |"

    rule = ["-" * (w - 1) + ":" if right is not None and i >= right else "-" * w for i, w in enumerate(widths)]
    return "\n".join([line(cells[0]), "| " + " | ".join(rule) + " |", *(line(row) for row in cells[1:])])


def _pad(cell: str, width: int, right: int | None, column: int) -> str:
    return cell.rjust(width) if right is not None and column >= right else cell.ljust(width)


def _strong(text: str, when: object) -> str:
    return f"**{text}**" if when else text


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39))}`"
