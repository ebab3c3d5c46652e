"""The words at the top of a report: the outcome, what was measured, and what to know before believing it."""

from bench.points import Point
from bench.report.contestants import contestants
from bench.report.document import code, count, plain
from bench.report.names import verdict_words
from bench.result import Result

QUOTED = 3
"""Photos that were left out that are named; `result.json` has all."""


def title(result: Result) -> str:
    """Return the outcome in a few words."""
    summary, goal = result.summary, result.summary.goal
    if len(result.measured) == 1:
        return f"CLIP bake-off: {result.measured[0]} alone"
    told = contestants(result)
    if summary.winner:
        others = " and ".join(words for name, words in told.items() if name != summary.winner)
        winner = told.get(summary.winner, summary.winner)
        return f"CLIP bake-off: {winner} wins on {goal}{f' against {others}' if others else ''}"
    recommendation = summary.recommendations.get(goal)
    compared = recommendation is not None and bool(recommendation.ahead)
    return f"CLIP bake-off: {'a tie' if compared else 'undecided'} on {goal}{f' with {names}' if (names := ' and '.join(told.values())) else ''}"


def about(result: Result) -> str:
    """Return in one line what was measured, where, and when."""
    gpus = result.server_gpus or (result.machine.gpus if result.local else ())
    where = ", ".join(dict.fromkeys(gpus)) or (
        f"{result.machine.cpu}, {count(result.machine.cores, 'core')}, no GPU" if result.local else "another machine"
    )
    model = " ".join(str(result.model[key]) for key in ("name", "precision") if result.model.get(key))
    return (
        f"{model or 'A model'} on {where}; {count(result.complete_rounds, 'round')}, "
        f"{count(len(result.scenarios), 'scenario')}, {result.started[:10]}."
    )


def wins(result: Result) -> dict[str, int]:
    """Return in how many scenarios each backend won, and how many were ties or undecided, in the stack's order."""
    words = [verdict_words(verdict) for verdict in result.summary.verdicts]
    return {name: words.count(name) for name in (*result.measured, "tie", "undecided") if name in words}


def warnings(result: Result) -> list[str]:
    """Return what a reader must know before the figures, each in Markdown."""
    return [*_about_the_run(result), *_about_fairness(result), *_about_points(result)]


def _about_the_run(result: Result) -> list[str]:
    found = [f"**What was compared:** {plain(result.caution)}"] if result.caution else []
    if result.model.get("embeddings_meaningful") is False:
        note = result.model.get("note")
        found.append(
            "**Random weights: the embeddings mean nothing; the speeds are real.**"
            + (f" They stand in: {plain(str(note))}." if note else "")
        )
    if left_out := result.photos.left_out:
        first = "; ".join(f"{plain(each.name)}: {plain(each.reason)}" for each in left_out[:QUOTED])
        more = f"; and {len(left_out) - QUOTED} more" if len(left_out) > QUOTED else ""
        found.append(f"**{count(len(left_out), 'photo')} left out:** {first}{more}.")
    if result.interrupted:
        found.append(
            f"**Interrupted:** {result.complete_rounds} of {result.settings.rounds} rounds are complete and count."
        )
    return found


def _about_fairness(result: Result) -> list[str]:
    found = [f"**Not the same conditions:** {plain(reason)}." for reason in result.fairness.unfair]
    parities = (*result.parity_before, *result.parity_after)
    for name in dict.fromkeys(parity.backend for parity in parities if parity.agrees is False):
        found.append(
            f"**{name} disagrees:** its embeddings are not those of the others, so it cannot win (see Agreement)."
        )
    return found


def _about_points(result: Result) -> list[str]:
    found = []
    for name in result.measured:
        points = [point for point in result.summary.points if point.backend == name]
        by_problem: dict[str, list[Point]] = {}
        for point in points:
            if point.problem and not point.problem.startswith("its embeddings"):
                by_problem.setdefault(point.problem, []).append(point)
        for problem, having in by_problem.items():
            errors = dict.fromkeys(
                error
                for window in result.windows
                if window.backend == name and any(window.scenario == point.scenario for point in having)
                for error in window.errors
            )
            quoted = " " + code("; ".join(list(errors)[:2])) if errors else ""
            found.append(f"**{name}, {_where(having)}: {plain(problem)}.** It cannot win there.{quoted}")
    if bound := [point for point in result.summary.points if point.client_bound]:
        found.append(f"**client-bound:** {_named(bound)}; the servers can do more than is shown there.")
    if shaky := [point for point in result.summary.points if point.stable is False]:
        found.append(f"**unstable:** {_named(shaky)}; the last three rounds differ by more than 10 % there.")
    return found


def _where(points: list[Point]) -> str:
    titles = [point.scenario.title for point in points]
    return titles[0] if len(titles) == 1 else f"{count(len(titles), 'scenario')} (such as {titles[0]})"


def _named(points: list[Point]) -> str:
    first = f"{points[0].backend}, {points[0].scenario.title}"
    return first if len(points) == 1 else f"{count(len(points), 'point')} (such as {first})"
