"""mutmut mutates properties and their like as well, and leaves what they are."""

from typing import Any

import pytest
from mutmut.mutation import file_mutation
from mutmut.mutation.file_mutation import MutatedFile, MutationVisitor

from tests.mutation import decorated

SOURCE = """
import functools
from contextlib import contextmanager
from functools import cached_property, lru_cache

class Found:
    @property
    def holds(self):
        return 1 < 2

    @cached_property
    def kept(self):
        return 1 < 2

    @functools.cache
    def other(self):
        return 1 < 2

@lru_cache(maxsize=4)
def cached():
    return 1 < 2

@contextmanager
def managed():
    yield 1 < 2
"""


@pytest.fixture
def mutated(monkeypatch: pytest.MonkeyPatch) -> MutatedFile:
    monkeypatch.setattr(MutationVisitor, "_skip_node_and_children", decorated.skip_node)
    monkeypatch.setattr(file_mutation, "function_trampoline_arrangement", decorated.arrange_function)
    return file_mutation.mutate_file_contents("found.py", SOURCE)


def seen(mutated: MutatedFile) -> list[bool]:
    """Run the mutated module anew, and return what each of its functions says."""
    module: dict[str, Any] = {"__name__": "found"}
    exec(mutated.code, module)
    found = module["Found"]()
    with module["managed"]() as value:
        return [found.holds, found.kept, found.other(), module["cached"](), value]


def test_each_mutant_changes_its_own_function_alone(mutated: MutatedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUTANT_UNDER_TEST", "")
    assert seen(mutated) == [True] * 5
    functions = ["xǁFoundǁholds", "xǁFoundǁkept", None, "x_cached", "x_managed"]
    changed = {name.partition("__mutmut_")[0] for name in mutated.mutant_names}
    assert changed == {each for each in functions if each}, "of other decorators nobody knows whether they are harmless"
    values: dict[int, set[bool]] = {}
    for name in mutated.mutant_names:
        monkeypatch.setenv("MUTANT_UNDER_TEST", f"found.{name}")
        own, now = functions.index(name.partition("__mutmut_")[0]), seen(mutated)
        values.setdefault(own, set()).add(now.pop(own))
        assert now == [True] * 4
    assert all(False in each for each in values.values()), "2 < 2 is one of the mutants"
