"""How the suite is dealt out to two workers, and the time of each ring.

What shares a fixture that is expensive, or ports, is one group, and a group runs in one worker. Containers come first and stacks
last: side by side they take two cores so long that what waits for them runs out of time. Beside the stack that most share run
those that are started for a few tests, and the benchmark's tests, which mostly wait.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    "tests/image",
    "tests/unit/tensorrt",
    "tests/unit",
    "tests/browser",
    "tests/stack",
    "tests/stack/own",
    "tests/stack/bench",
)
"""Where groups lie, in the order in which they begin; the innermost that holds a file decides."""

WHOLE = {"tests/image", "tests/unit/tensorrt", "tests/stack", "tests/stack/own"}
"""Folders whose files share what is started or built for them; elsewhere each file is a group of its own."""


def place(file: str) -> tuple[int, str]:
    """Return where a test file's group stands in the order, and its name.

    Raises:
        ValueError: it lies in no ring.
    """
    for parent in map(str, PurePosixPath(file, "x").parents):
        if parent in TOGETHER:
            return TOGETHER.index(parent), parent if parent in WHOLE else file
    raise ValueError(f"{file} is in none of {', '.join(TOGETHER)}; give it a place in tests/rings.py")


def file_of(nodeid: str) -> str:
    """Return the file of a test, relative to the checkout."""
    return nodeid.partition("::")[0]


def ring(nodeid: str) -> str:
    """Return the folder below `tests/` in which a test lies."""
    return PurePosixPath(nodeid).parts[1]


class ByGroup(LoadScopeScheduling):
    """Gives a worker one group after the other.

    xdist's own `--dist loadgroup` writes a group's name into the node's id, where pytest 9.2 does not read it any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        return place(file_of(nodeid))[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByGroup:
    """Have xdist deal out groups, whatever its `--dist` says."""
    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the groups in their order."""
    items.sort(key=lambda item: place(file_of(item.nodeid))[0])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how long each ring took: the sum over its tests, and from its first to its last moment."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for report in _reports(terminalreporter):
        spans.setdefault(ring(report.nodeid), []).append((report.start, report.stop))
    if len(spans) > 1:
        terminalreporter.section("rings")
        for name, times in spans.items():
            begin, end = min(start for start, _ in times), max(stop for _, stop in times)
            terminalreporter.line(
                f"{name:8} {sum(b - a for a, b in times):6.0f} s of tests, {end - begin:6.0f} s from the first to the last"
            )


def _reports(terminalreporter: pytest.TerminalReporter) -> Iterator[pytest.TestReport]:
    for reports in terminalreporter.stats.values():
        yield from (report for report in reports if isinstance(report, pytest.TestReport))
