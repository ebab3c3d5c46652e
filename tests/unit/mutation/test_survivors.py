"""The bar of `make mutants`: what misses it is said, and what a mutant is does not depend on its number."""

import tomllib
from pathlib import Path

import pytest

from tests.mutation.survivors import Change, Mutant, change, problems, read_equivalent, table

ROOT = Path(__file__).parents[3]
DIFF = """\
--- bench/pace.py
+++ bench/pace.py
@@ -3,5 +3,5 @@
 def rate(images: int) -> float:
-    if images < 1:
+    if images <= 1:
         return 0.0"""
LIVES = Change("bench.pace.rate", "if images < 1:", "if images <= 1:")


def mutants(killed: int, survived: int) -> dict[str, list[Mutant]]:
    statuses = [1] * killed + [0] * survived
    return {"bench/pace.py": [Mutant(f"bench.pace.x_rate__mutmut_{n}", each) for n, each in enumerate(statuses)]}


@pytest.mark.parametrize("mangled", ["x_rate", "xǁPaceǁrate"])
def test_a_mutant_is_its_function_and_its_lines(mangled: str) -> None:
    function = "bench.pace.rate" if mangled == "x_rate" else "bench.pace.Pace.rate"
    assert change(f"bench.pace.{mangled}__mutmut_17", DIFF) == Change(function, LIVES.was, LIVES.becomes)


def test_nine_in_ten_killed_and_the_tenth_listed_is_no_problem() -> None:
    assert problems(mutants(9, 1), [LIVES], [LIVES], whole=True) == []


def test_a_module_with_fewer_killed_misses_the_bar() -> None:
    assert problems(mutants(89, 11), [LIVES], [LIVES], whole=True) == [
        "bench/pace.py: 89.0% killed, at least 90% are expected"
    ]


def test_a_survivor_is_listed_as_often_as_it_survives() -> None:
    [problem] = problems(mutants(18, 2), [LIVES, LIVES], [LIVES], whole=True)
    assert problem == "survived and is not in the list: bench.pace.rate: `if images < 1:` becomes `if images <= 1:`"


def test_what_is_listed_and_no_longer_survives_is_told_when_all_have_run() -> None:
    assert problems(mutants(10, 0), [], [LIVES], whole=False) == []
    [problem] = problems(mutants(10, 0), [], [LIVES], whole=True)
    assert problem.startswith("in the list and did not survive: bench.pace.rate")


@pytest.mark.parametrize("status", [None, 2, 35])
def test_a_mutant_that_was_not_run_to_an_end_is_a_problem(status: int | None) -> None:
    results = mutants(19, 0)
    results["bench/pace.py"].append(Mutant("bench.pace.x_rate__mutmut_20", status))
    assert problems(results, [], [], whole=True) == [
        f"bench.pace.x_rate__mutmut_20: neither killed nor survived (exit status {status})"
    ]


@pytest.mark.parametrize("status", [0, 33])
def test_a_mutant_that_no_test_reaches_has_survived_too(status: int) -> None:
    assert table({"a.py": [Mutant("a.x_f__mutmut_1", status), Mutant("a.x_f__mutmut_2", 36)]})[2:] == [
        "| `a.py` | 2 | 1 | 50.0% |",
        "| together | 2 | 1 | 50.0% |",
    ]


def test_every_module_that_is_mutated_is_there() -> None:
    chosen = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    for pattern in [*chosen["only_mutate"], *chosen["pytest_add_cli_args_test_selection"]]:
        assert list(ROOT.glob(pattern)), f"{pattern} in [tool.mutmut] matches no file"


def test_every_equivalent_mutant_changes_a_line_that_is_there() -> None:
    for each in read_equivalent(ROOT / "tests/mutation/equivalent.toml"):
        *folders, function = each.function.split(".")
        files = (ROOT.joinpath(*folders[:n]).with_suffix(".py") for n in range(1, len(folders) + 1))
        source = next(file for file in files if file.exists()).read_text()
        assert f"def {function}(" in source, each
        assert " ".join(each.was.split()) in " ".join(source.split()), each
