"""From mutmut's results to a table, and to what is wrong with them. Pure functions, but for the reading."""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LEAST_KILLED = 0.9
"""Of the mutants of each module."""

# Exit statuses of a mutant's run, by mutmut: a test failed, pytest failed, too much time, the process died; all tests passed, none reach it.
KILLED = frozenset({1, 3, -24, 24, 36, 152, 255, -11, -9, -6})
SURVIVED = frozenset({0, 33})


@dataclass(frozen=True)
class Change:
    """What a mutant is, whatever its number: the lines of a function that it takes out, and what it puts there."""

    function: str
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.function}: `{self.was}` becomes `{self.becomes}`"


@dataclass(frozen=True)
class Mutant:
    """One mutant and the exit status of its run; None before it."""

    name: str
    status: int | None


def read_results(folder: Path) -> dict[str, list[Mutant]]:
    """Return the mutants of each module that has some, by the path of its source."""
    found = {}
    for file in sorted(folder.glob("**/*.meta")):
        statuses = json.loads(file.read_text())["exit_code_by_key"]
        if statuses:
            found[str(file.relative_to(folder).with_suffix(""))] = [Mutant(*each) for each in statuses.items()]
    return found


def read_equivalent(file: Path) -> list[Change]:
    """Return the changes that no test can notice."""
    document = tomllib.loads(file.read_text())
    return [Change(*each) for kind in document["equivalent"] for each in kind["mutants"]]


def change(name: str, diff: str) -> Change:
    """Return what the mutant `name` is, from its unified diff."""
    lines = diff.splitlines()[2:]  # without the files' names

    def joined(sign: str) -> str:
        return " ".join(line[1:].strip() for line in lines if line.startswith(sign))

    module, _, mangled = name.partition("__mutmut_")[0].rpartition(".")
    function = mangled.replace("ǁ", ".").removeprefix("x_").removeprefix("x.")
    return Change(f"{module}.{function}", joined("-"), joined("+"))


def table(results: dict[str, list[Mutant]]) -> list[str]:
    """Return a Markdown table, a line each: mutants, those killed and their share, by module and together."""
    rows = [(f"`{module}`", mutants) for module, mutants in results.items()]
    rows.append(("together", [mutant for mutants in results.values() for mutant in mutants]))
    return [
        "| module | mutants | killed | share |",
        "|---|---|---|---|",
        *(f"| {name} | {len(each)} | {_killed(each)} | {_share(each):.1%} |" for name, each in rows),
    ]


def problems(
    results: dict[str, list[Mutant]], survivors: Sequence[Change], equivalent: Sequence[Change], *, whole: bool
) -> list[str]:
    """Return what is wrong, in words.

    Args:
        results: by module.
        survivors: what the survivors among them are.
        equivalent: the changes that no test can notice, each as often as it may survive.
        whole: all modules have run, so that an equivalent change that did not survive has no place in the list.
    """
    found = [
        f"{module}: {_share(mutants):.1%} killed, at least {LEAST_KILLED:.0%} are expected"
        for module, mutants in results.items()
        if _share(mutants) < LEAST_KILLED
    ]
    unclear = [each for mutants in results.values() for each in mutants if each.status not in KILLED | SURVIVED]
    found += [f"{each.name}: neither killed nor survived (exit status {each.status})" for each in unclear]
    found += [f"survived and is not in the list: {each}" for each in _more(survivors, equivalent)]
    if whole:
        found += [f"in the list and did not survive: {each}" for each in _more(equivalent, survivors)]
    return found


def _more(these: Iterable[Change], those: Iterable[Change]) -> list[Change]:
    return list((Counter(these) - Counter(those)).elements())


def _killed(mutants: Sequence[Mutant]) -> int:
    return sum(each.status in KILLED for each in mutants)


def _share(mutants: Sequence[Mutant]) -> float:
    return _killed(mutants) / len(mutants)
