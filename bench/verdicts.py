"""From windows to figures, from figures to a winner or a tie. Pure functions of the numbers and a seed."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from bench.options import MIN_ROUNDS
from bench.scenarios import Scenario
from bench.splits import Split, pooled
from bench.windows import Window

CONFIDENCE = 0.95
RESAMPLES = 9_999


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(_Record):
    """A ratio and its 95 % interval."""

    value: float
    low: float
    high: float


class Point(_Record):
    """One scenario on one backend, over all complete rounds.

    Attributes:
        images_per_s: the median of the rounds' throughputs; None when a round has no successful request.
        interval: its 95 % bootstrap interval, as low and high; None where it is None, or of fewer than 5 rounds.
        requests, failures: counts over all rounds.
        p50_ms, p95_ms, p99_ms, mean_ms: of all successful requests; nearest rank, so each is a latency that was seen.
        split: the server's own account, per request; None where it has none.
        problem: why the point cannot win; None when nothing went wrong.
    """

    scenario: Scenario
    backend: str
    images_per_s: float | None
    interval: tuple[float, float] | None
    requests: int
    failures: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    mean_ms: float | None
    split: Split | None
    problem: str | None


class Verdict(_Record):
    """What the rounds say about one scenario.

    Attributes:
        winner: the backend whose paired differences to every other one exclude zero; None: a tie, or undecided where
            nothing could be compared (`ahead` is then empty and `reason` says why).
        ahead: how many times as fast the leading backend is as each other one that counts, by paired rounds.
        leader: the backend with the highest throughput, winner or not; None when no point is without errors.
        reason: in words, where the figures alone do not say it.
    """

    scenario: Scenario
    winner: str | None
    leader: str | None
    ahead: dict[str, Interval]
    reason: str | None


class Summary(_Record):
    """Points, verdicts, the overall winner (None: a tie, or nothing to compare) and the decision in one sentence."""

    points: tuple[Point, ...]
    verdicts: tuple[Verdict, ...]
    winner: str | None
    decision: str


def median_interval(values: Sequence[float], seed: int) -> tuple[float, float]:
    """Return low and high of the 95 % bootstrap percentile interval of the median of 5 or more values."""
    found = stats.bootstrap(
        (values,),
        np.median,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def speed_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Return how many times as fast we are, from throughputs paired by round: geometric mean and 95 % interval.

    The paired differences are differences of logarithms; the interval is Student's, of their mean. Whether it excludes
    1 is whether the differences exclude zero. It is not a bootstrap on purpose: with 5 rounds a percentile interval
    cannot reach beyond the rounds seen, and 4,000 simulated pairs of identical backends had a false winner in 15 % of
    runs with it, in 8 % after Hesterberg's expansion (The American Statistician 69, 2015), and in 5 % with Student's
    (3 % with skewed noise, 4 % with heavy tails).

    Raises:
        ValueError: fewer than 5 rounds, or a throughput that is not positive.
    """
    if len(ours) != len(theirs) or len(ours) < MIN_ROUNDS or min(*ours, *theirs) <= 0:
        raise ValueError(f"{MIN_ROUNDS} or more rounds of positive throughputs on both sides are needed")
    logs = np.log(np.asarray(ours, float)) - np.log(np.asarray(theirs, float))
    mean = float(logs.mean())
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(logs) - 1) * logs.std(ddof=1) / math.sqrt(len(logs)))
    return Interval(value=math.exp(mean), low=math.exp(mean - reach), high=math.exp(mean + reach))


def point(windows: Sequence[Window], disagrees: bool, seed: int) -> Point:
    """Return the figures of one scenario on one backend from its windows, one per round.

    Args:
        windows: at least one.
        disagrees: True when the backend's embeddings were not those of the others; it can then not win.
        seed: of the resampling.
    """
    latencies = np.array([latency for window in windows for latency in window.latencies_ms])
    failures = sum(window.failures for window in windows)
    invalid = [window.invalid for window in windows if window.invalid]
    problem = None
    if failures:
        problem = f"{failures} of {failures + len(latencies)} requests failed"
    elif invalid:
        problem = invalid[0]
    elif disagrees:
        problem = "its embeddings are not those of the others"
    speeds = [window.images_per_s for window in windows] if all(window.latencies_ms for window in windows) else []

    def percentile(q: float) -> float | None:
        return float(np.percentile(latencies, q, method="inverted_cdf")) if len(latencies) else None

    return Point(
        scenario=windows[0].scenario,
        backend=windows[0].backend,
        images_per_s=float(np.median(speeds)) if speeds else None,
        interval=median_interval(speeds, seed) if len(speeds) >= MIN_ROUNDS else None,
        requests=len(latencies),
        failures=failures,
        p50_ms=percentile(50),
        p95_ms=percentile(95),
        p99_ms=percentile(99),
        mean_ms=float(latencies.mean()) if len(latencies) else None,
        split=pooled([window.split for window in windows if window.split]),
        problem=problem,
    )


def verdict(
    scenario: Scenario, throughputs: Mapping[str, Sequence[float]], problems: Mapping[str, str | None]
) -> Verdict:
    """Name the winner of a scenario, or a tie.

    Args:
        scenario: which one.
        throughputs: by backend, images per second of each round; paired by position.
        problems: by backend, why it cannot win. Those that can are compared with each other only: an error is a
            failure, however fast, so a backend without errors is ahead of one with errors.
    """
    sound = {name: values for name, values in throughputs.items() if not problems.get(name)}
    if not sound:
        return Verdict(scenario=scenario, winner=None, leader=None, ahead={}, reason="no backend was free of problems")
    leader = max(sound, key=lambda name: float(np.median(sound[name])))
    undecided = Verdict(scenario=scenario, winner=None, leader=leader, ahead={}, reason=None)
    if len(throughputs) == 1:
        return undecided.model_copy(update={"reason": "nothing to compare with"})
    rounds = len(sound[leader])
    if rounds < MIN_ROUNDS:
        reason = f"{rounds} complete {'round' if rounds == 1 else 'rounds'}; a winner needs {MIN_ROUNDS}"
        return undecided.model_copy(update={"reason": reason})
    ahead = {name: speed_ratio(sound[leader], values) for name, values in sound.items() if name != leader}
    wins = all(interval.low > 1 for interval in ahead.values())
    return Verdict(
        scenario=scenario,
        winner=leader if wins else None,
        leader=leader,
        ahead=ahead,
        reason=None if ahead else f"{leader} alone was free of problems",
    )


def summarise(
    windows: Sequence[Window], backends: Sequence[str], scenarios: Sequence[Scenario], disagreeing: set[str], seed: int
) -> Summary:
    """Return what follows from the windows of the complete rounds.

    Args:
        windows: one for every round, scenario and backend.
        backends: the measured backends in the stack's order.
        scenarios: the measured scenarios.
        disagreeing: backends whose embeddings failed the spot check.
        seed: of the resampling.
    """
    points: list[Point] = []
    verdicts: list[Verdict] = []
    for scenario in scenarios:
        rounds = {
            name: sorted(
                (each for each in windows if each.backend == name and each.scenario == scenario),
                key=lambda each: each.round,
            )
            for name in backends
        }
        found = {name: point(each, name in disagreeing, seed) for name, each in rounds.items()}
        points += found.values()
        verdicts.append(
            verdict(
                scenario,
                {name: [window.images_per_s for window in each] for name, each in rounds.items()},
                {name: each.problem for name, each in found.items()},
            )
        )
    winner, decision = decide(verdicts, backends)
    return Summary(points=tuple(points), verdicts=tuple(verdicts), winner=winner, decision=decision)


def decide(verdicts: Sequence[Verdict], backends: Sequence[str]) -> tuple[str | None, str]:
    """Return the overall winner, who wins more scenarios than any other backend, and the decision in words."""
    if len(backends) == 1:
        return None, f"Only {backends[0]} was ready; nothing to compare."
    wins = {name: sum(each.winner == name for each in verdicts) for name in backends}
    order = sorted((name for name in backends if wins[name]), key=lambda name: -wins[name])
    ties = sum(each.winner is None for each in verdicts)
    total = f"{len(verdicts)} {'scenario' if len(verdicts) == 1 else 'scenarios'}"
    tied = f"{ties} {'is a tie' if ties == 1 else 'are ties'}"
    if not order:
        reasons = sorted({each.reason for each in verdicts if each.reason})
        if reasons:
            return None, f"Undecided: {'; '.join(reasons)}."
        return None, f"Tie in all {total}: the rounds do not separate the backends."
    first = order[0]
    leaders = [name for name in order if wins[name] == wins[first]]
    if len(leaders) > 1:
        counts = f"{_listed(leaders)} win {wins[first]} of {total} each"
    else:
        counts = f"{first} wins {'all' if wins[first] == len(verdicts) else f'{wins[first]} of'} {total}"
    counts = ", ".join([counts, *(f"{name} {wins[name]}" for name in order if name not in leaders)])
    default = sum(each.winner is not None and not each.ahead for each in verdicts)
    if default:
        counts += f", {default} of these by default, because the others had problems"
    sentence = f"{counts}; {tied}." if ties else f"{counts}."
    return (first, sentence) if len(leaders) == 1 else (None, f"Tie: {sentence}")


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
