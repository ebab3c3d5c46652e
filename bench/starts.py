"""The `startup` scenario: seconds to ready as the stack tells, and, on this machine, of a cold and a warm start."""

from collections.abc import Callable

from bench.errors import BenchError
from bench.options import BenchOptions
from bench.result import Skipped, Startup
from bench.second_stack import cold_and_warm
from bench.startup import startups
from bench.targets import Stack, is_local

MOST_OF_BUDGET = 0.25
"""Part of the time budget that two more starts may take."""

SLOWER = 1.5
"""A second stack starts beside the first, which idles but keeps its memory, and its checks come on top."""


def measure(
    options: BenchOptions, stack: Stack, say: Callable[[str], None]
) -> tuple[tuple[Startup, ...], list[Skipped]]:
    """Return how long each backend took to be ready, and why a cold and a warm start were not measured, if so.

    Args:
        options: of the run.
        stack: that is measured.
        say: told what goes on; two starts take a while.
    """
    found, reason = startups(stack), _reason(options, stack)
    if reason is None and options.home is not None:
        say("starting a second stack twice, cold and warm")
        try:
            found = cold_and_warm(options.home).added_to(found)
        except BenchError as error:
            reason = " ".join(str(error).split())
    return found, [Skipped(what="startup, cold and warm", reason=reason)] if reason else []


def _reason(options: BenchOptions, stack: Stack) -> str | None:
    if not is_local(options.addresses.ready_url) or options.home is None:
        return "the stack is not one of this machine's BAKEOFF_HOME"
    expected = 2 * SLOWER * max((target.elapsed_s or 0.0 for target in stack.ready), default=0.0)
    if expected > MOST_OF_BUDGET * options.budget_s:
        return f"two more starts take about {expected:.0f} s; give more with --time-budget"
    return None
