"""`python -m tests.mutation.decorated`: mutmut, which also mutates the functions that these decorators stand before.

mutmut 3.8 leaves decorated functions alone, but for static and class methods, since decorating a mutant as well may have effects of
its own. These decorators have none, and properties such as `Agreement.holds` decide most: only the switch
between original and mutants is decorated, each of which is a plain function.
"""

from collections.abc import Iterable, Sequence

import libcst as cst
import libcst.matchers as m
from mutmut.mutation import file_mutation
from mutmut.mutation.file_mutation import Mutation, MutationVisitor

HARMLESS = m.OneOf(*map(m.Name, ("property", "cached_property", "contextmanager", "lru_cache")))

_skip = MutationVisitor._skip_node_and_children
_arrange = file_mutation.function_trampoline_arrangement


def skip_node(visitor: MutationVisitor, node: cst.CSTNode) -> bool:
    """Tell whether a node is left alone: what mutmut says, or would say without a harmless decorator."""
    return _skip(visitor, node.with_changes(decorators=()) if _is_harmless(node) else node)


def arrange_function(
    function: cst.FunctionDef, mutants: Iterable[Mutation], class_name: str | None
) -> tuple[Sequence[object], ...]:
    """Return what mutmut puts in a function's place, with a harmless decorator before the switch alone."""
    if not _is_harmless(function):
        return _arrange(function, mutants, class_name)
    plain = function.with_changes(decorators=())
    names, (switch, *functions), assignments, mutant_names = _arrange(plain, mutants, class_name)
    switch = switch.with_changes(decorators=[*function.decorators, *switch.decorators])
    return names, [switch, *functions], assignments, mutant_names


def _is_harmless(node: cst.CSTNode) -> bool:
    return (
        isinstance(node, cst.FunctionDef)
        and len(node.decorators) == 1
        and m.matches(node.decorators[0].decorator, HARMLESS | m.Call(func=HARMLESS))
    )


if __name__ == "__main__":
    from mutmut.__main__ import cli  # decides how the whole program forks

    MutationVisitor._skip_node_and_children = skip_node
    file_mutation.function_trampoline_arrangement = arrange_function
    cli()
