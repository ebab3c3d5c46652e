"""Several runs side by side: two GPUs, two versions, two days."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bench.errors import BenchError
from bench.figures import interval
from bench.points import Figure, Point
from bench.report import conditions, curves, outcome
from bench.report.charts import LineChart, Panel, Series, scale_for
from bench.report.document import Document, Section, Table, code, count, plain
from bench.report.names import UNITS, key_scenarios
from bench.result import Result
from bench.scenarios import Scenario

MOST = 4
"""Most runs side by side: there are four line styles."""

CURVES = (
    curves.throughput_by_batch,
    curves.throughput_by_concurrency,
    curves.latency_by_rate,
    curves.latency_by_concurrency,
)


@dataclass(frozen=True)
class Run:
    """One run of a comparison: a letter, the name of its folder, and its result."""

    letter: str
    name: str
    result: Result


def compare(named: Sequence[tuple[str, Result]]) -> Document:
    """Return the report of several runs; the first is what the others are compared with.

    Raises:
        BenchError: there are fewer than two or too many runs, they are of different models, or they share no scenario.
    """
    if not 2 <= len(named) <= MOST:
        raise BenchError(f"{count(len(named), 'run')} cannot be compared; give 2 to {MOST}")
    runs = [Run("ABCD"[i], name, result) for i, (name, result) in enumerate(named)]
    _refuse_other_models(runs)
    apart = differences(runs)
    shared = _shared(runs)
    if not shared:
        raise BenchError("these runs share no scenario on a backend that all measured; nothing can be compared")
    table, words = _side_by_side(runs, shared)
    backends = dict.fromkeys(name for run in runs for name in run.result.measured)
    return Document(
        title=f"CLIP bake-off: {len(runs)} runs side by side",
        decision=words,
        about=", ".join(f"{run.letter}: {run.name}" for run in runs) + ".",
        warnings=tuple(apart),
        sections=(
            Section("Runs", "", (_runs(runs),)),
            Section("Side by side", _rule(runs), (table,)),
            Section("Curves", "Over HTTP; the line's style tells the run.", charts=tuple(_charts(runs))),
            *(Section(f"Conditions of {run.letter}", "", (conditions.conditions(run.result),)) for run in runs),
        ),
        backends=tuple(backends),
    )


def differences(runs: Sequence[Run]) -> list[str]:
    """Return what makes the runs unlike each other beside what they mean to compare, each a sentence in Markdown."""
    facts: tuple[tuple[str, Callable[[Result], object], str], ...] = (
        ("precision", lambda r: r.model.get("precision"), "another arithmetic is another speed: not like for like"),
        (
            "weights",
            lambda r: str(r.model.get("weights_sha256") or r.model.get("source"))[:12],
            "embeddings differ, speeds do not depend on them",
        ),
        (
            "photos",
            lambda r: r.photos.sha256[:12],
            "encoded photos are not compared; pixels have the same size in all runs",
        ),
        ("latency bound", lambda r: f"{r.settings.p99_ms:g} ms", "`server` is not compared"),
        (
            "place of the client",
            lambda r: "the servers' machine" if r.local else "another machine",
            "the network is part of one side only",
        ),
    )
    found = []
    for name, of, meaning in facts:
        values = [of(run.result) for run in runs]
        if len(set(values)) > 1:
            told = ", ".join(f"{run.letter} {plain(str(value))}" for run, value in zip(runs, values, strict=True))
            found.append(f"**Other {name}:** {told}; {meaning}.")
    for run in runs:
        found += [f"**{run.letter}:** {warning}" for warning in outcome.warnings(run.result)]
    return found


def _refuse_other_models(runs: Sequence[Run]) -> None:
    models = {run.letter: str(run.result.model.get("name")) for run in runs}
    if len(set(models.values())) > 1:
        told = ", ".join(f"{letter} {name}" for letter, name in models.items())
        raise BenchError(f"these runs are of different models ({told}) and cannot be compared")


def _comparable(runs: Sequence[Run]) -> Callable[[Scenario], bool]:
    """Return the rule that leaves out what other photos or another bound make another measurement."""
    photos = {run.result.photos.sha256 for run in runs}
    bounds = {run.result.settings.p99_ms for run in runs}

    def comparable(scenario: Scenario) -> bool:
        same_input = scenario.input != "encoded" or len(photos) == 1
        return same_input and (scenario.kind != "server" or len(bounds) == 1)

    return comparable


def _shared(runs: Sequence[Run]) -> list[tuple[Scenario, str]]:
    """Return the heaviest scenarios of each kind, with their backends, that can be compared and that all runs have."""
    comparable = _comparable(runs)
    found = [
        (point.scenario, point.backend)
        for point in runs[0].result.summary.points
        if comparable(point.scenario) and all(_point(run, point.scenario, point.backend) for run in runs[1:])
    ]
    key = key_scenarios(tuple(dict.fromkeys(scenario for scenario, _ in found)))
    return [(scenario, name) for scenario, name in found if scenario in key]


def _point(run: Run, scenario: Scenario, name: str) -> Point | None:
    points = run.result.summary.points
    return next((p for p in points if p.scenario == scenario and p.backend == name), None)


def _figure(run: Run, scenario: Scenario, name: str) -> Figure | None:
    point = _point(run, scenario, name)
    if point is None or point.problem:
        return None
    return point.p50 if scenario.metric == "p50_ms" else point.images_per_s


def _side_by_side(runs: Sequence[Run], shared: Sequence[tuple[Scenario, str]]) -> tuple[Table, str]:
    rows, tally = [], {run.letter: {"better": 0, "worse": 0, "alike": 0} for run in runs[1:]}
    for scenario, name in shared:
        first = _figure(runs[0], scenario, name)
        cells = []
        for run in runs[1:]:
            outcome_, words = _against(first, _figure(run, scenario, name), scenario)
            cells.append(words)
            if outcome_:
                tally[run.letter][outcome_] += 1
        figures = [interval(_figure(run, scenario, name)).replace(" (", "\n(") for run in runs]
        rows.append([scenario.title, name, UNITS[scenario.kind], *figures, *cells])
    heads = [
        "scenario",
        "backend",
        "figure",
        *(run.letter for run in runs),
        *(f"{r.letter} against A" for r in runs[1:]),
    ]
    sentences = [
        f"Against A, {letter} is better in {each['better']} of {sum(each.values())} figures, worse in {each['worse']}, and not "
        f"clearly different in {each['alike']}."
        for letter, each in tally.items()
    ]
    return Table(heads, rows), " ".join(sentences)


def _against(first: Figure | None, other: Figure | None, scenario: Scenario) -> tuple[str | None, str]:
    """Return whether `other` is better, worse or alike, and how many times as good it is, in words."""
    if first is None or other is None or min(first.value, other.value) <= 0:
        return None, "-"
    lower_is_better = scenario.metric == "p50_ms"
    times = first.value / other.value if lower_is_better else other.value / first.value
    if None in (first.low, first.high, other.low, other.high):
        return "alike", f"{times:.2f}x\ntoo few rounds to tell"
    if (first.low or 0) <= (other.high or 0) and (other.low or 0) <= (first.high or 0):
        return "alike", f"{times:.2f}x\nno clear difference"
    return ("better", f"**{times:.2f}x**") if times > 1 else ("worse", f"**{times:.2f}x**")


def _rule(runs: Sequence[Run]) -> str:
    return (
        "Each figure is the median of its run's rounds with its 95 % interval; the last "
        f"{'column says' if len(runs) == 2 else 'columns say'} how many times as good a run is as A. Rounds of different runs are "
        "not paired, so a difference is only called one where the two intervals do not meet. That is a weak test: starts of "
        "the same program on the same machine differ too."
    )


def _runs(runs: Sequence[Run]) -> Table:
    rows = [
        [
            run.letter,
            code(run.name),
            plain(", ".join(run.result.server_gpus or run.result.machine.gpus) or run.result.machine.cpu),
            (run.result.machine.commit or "-")[:12],
            ", ".join(run.result.measured),
            plain(run.result.summary.decision),
        ]
        for run in runs
    ]
    return Table(["", "run", "hardware", "commit", "backends", "its own decision"], rows)


def _charts(runs: Sequence[Run]) -> list[LineChart]:
    found, comparable = [], _comparable(runs)
    for draw in CURVES:
        charts = [(i, run, chart) for i, run in enumerate(runs) if (chart := draw(_over_http(run.result, comparable)))]
        if not charts:
            continue
        panels: dict[str, list[Series]] = {}
        for i, run, chart in charts:
            for panel in chart.panels:
                named = [replace(each, name=f"{each.name} ({run.letter})", dash=i) for each in panel.series]
                panels.setdefault(panel.title, []).extend(named)
        merged = tuple(Panel(title, tuple(series)) for title, series in panels.items())
        base = charts[0][2]
        xs = sorted({spot.x for panel in merged for spot in panel.spots})
        found.append(
            replace(
                base,
                caption="",
                panels=merged,
                x_scale=scale_for(xs),
                x_ticks=tuple(xs) if base.x_ticks else (),
            )
        )
    return found


def _over_http(result: Result, comparable: Callable[[Scenario], bool]) -> Result:
    """Return `result` with those of its points that are drawn, and without the client's own limits."""
    points = tuple(p for p in result.summary.points if p.scenario.transport == "http" and comparable(p.scenario))
    summary = result.summary.model_copy(update={"points": points})
    return result.model_copy(update={"summary": summary, "null_server": ()})
