"""Imports in server/ run one way: what is imported, also within a function, never imports back, by no way around."""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Graph = dict[str, set[str]]


def name_of(file: Path) -> str:
    """Return a module's name; a package's is that of its folder."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def modules() -> Graph:
    """Return what each module of server/ imports of it: a package is meant only where none of its modules is."""
    files = {name_of(file): file for file in (ROOT / "server").rglob("*.py")}
    graph: Graph = {}
    for name, file in files.items():
        found = graph[name] = set()
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names} & files.keys()
            elif isinstance(node, ast.ImportFrom):
                module = ".".join(filter(None, [package if node.level else "", node.module]))
                below = {f"{module}.{alias.name}" for alias in node.names} & files.keys()
                found |= below or {module} & files.keys()
        found -= {name, "server"}
    return graph


def packages() -> Graph:
    """Return what each package and each module directly in server/ imports of the others."""
    graph: Graph = defaultdict(set)
    for name, imports in modules().items():
        own = name.split(".")[1:2]
        graph[".".join(own)] |= {part for other in imports if [part := other.split(".")[1]] != own}
    return graph


def circle(graph: Graph) -> list[str]:
    """Return the names of a circle, empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_no_package_imports_one_that_imports_it() -> None:
    assert circle(packages()) == []


def test_no_module_imports_one_that_imports_it() -> None:
    assert circle(modules()) == []


def reached(graph: Graph, name: str) -> set[str]:
    """Return what a module imports, and what that imports, to the end."""
    found: set[str] = set()
    new = {name}
    while new:
        found |= new
        new = {other for one in new for other in graph[one]} - found
    return found


NOTHING_OF = [
    # who, and of what it imports nothing: also not by way of others
    ("pytorch", {"console", "gate", "gateway", "live", "tensorrt", "triton"}),
    ("http", {"console", "gate", "gateway", "pytorch", "tensorrt", "triton"}),
    ("console", {"gateway", "pytorch", "triton"}),
    ("gateway", {"console", "gate", "live", "pytorch", "tensorrt", "triton"}),
]


@pytest.mark.parametrize(("who", "others"), NOTHING_OF)
def test_a_program_has_nothing_of_another(who: str, others: set[str]) -> None:
    graph = modules()
    own = [name for name in graph if name.startswith(f"server.{who}.")]
    assert own
    assert {name for one in own for name in reached(graph, one) if name.split(".")[1] in others} == set()


@pytest.mark.parametrize("graph", [{"a": {"b"}, "b": {"a"}}, {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}])
def test_a_circle_is_found(graph: Graph) -> None:
    assert set(circle(graph)) == {"a", "b", "c"} & graph.keys()


def test_the_imports_are_seen() -> None:
    found = packages()
    assert {"tensorrt", "processes", "backend_addresses"} <= found["triton"]
    assert "server.tensorrt.builder.errors" in modules()["server.tensorrt.builder.program"]
