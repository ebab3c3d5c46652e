"""What makes thousands of short test runs fast: the same few random examples, and the cheapest tests first."""

import gc
import json
from pathlib import Path

import pytest
from hypothesis import Phase, settings

EXAMPLES = 25
"""Of each property: a wrong line mostly fails in the first, and one that survives costs all of them."""

STATISTICS = Path("mutmut-stats.json")
"""Written by mutmut: seconds by test."""

# A mutant is killed or not by the same examples every time; to shrink one that fails takes longer than all before it.
settings.register_profile(
    "mutation",
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    max_examples=EXAMPLES,
)


def pytest_configure() -> None:
    """Leave what was imported before the fork out of the collections that pytest ends each run with."""
    gc.freeze()


@pytest.hookimpl(trylast=True)  # after tests/rings.py has dealt them out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Limit the examples, and begin with the tests that take least: the first that fails ends the run."""
    for item in items:
        function = getattr(item, "function", None)
        if own := getattr(function, "_hypothesis_internal_use_settings", None):
            examples = min(own.max_examples, EXAMPLES)
            function._hypothesis_internal_use_settings = settings(own, max_examples=examples)  # type: ignore[union-attr]
    if STATISTICS.exists():
        seconds = json.loads(STATISTICS.read_text())["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))
