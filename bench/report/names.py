"""How points and verdicts are called, the same everywhere in a report."""

from bench.points import Point
from bench.report.charts import Mark
from bench.scenarios import Kind, Scenario, Transport
from bench.verdicts import Verdict

DASH: dict[Transport, int] = {"http": 0, "grpc": 1}

UNITS: dict[Kind, str] = {
    "single": "p50, ms",
    "batch": "images/s",
    "concurrency": "images/s",
    "server": "images/s",
    "offline": "images/s",
    "wan": "p50, ms",
}


def series_name(backend: str, transport: Transport) -> str:
    """Return a line's name: the backend, and its transport where that is not HTTP."""
    return backend if transport == "http" else f"{backend}, gRPC"


def marks(point: Point) -> tuple[Mark, ...]:
    """Return what is wrong with a point."""
    found: list[Mark] = []
    if point.client_bound:
        found.append("client-bound")
    if point.stable is False:
        found.append("unstable")
    if point.problem:
        found.append("invalid")
    return tuple(found)


def verdict_words(verdict: Verdict) -> str:
    """Return a scenario's outcome: the winner, `tie`, or `undecided` where nothing could be compared."""
    return verdict.winner or ("tie" if verdict.ahead else "undecided")


def key_scenarios(scenarios: tuple[Scenario, ...]) -> list[Scenario]:
    """Return one scenario for each kind, input and transport: of several, that with the heaviest load."""
    heaviest: dict[tuple[str, str, str], Scenario] = {}
    for scenario in scenarios:
        key = (scenario.kind, scenario.input, scenario.transport)
        if key not in heaviest or _load(scenario) > _load(heaviest[key]):
            heaviest[key] = scenario
    return list(heaviest.values())


def _load(scenario: Scenario) -> int:
    return scenario.batch * (scenario.in_flight or 1)
