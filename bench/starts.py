"""The `startup` scenario: seconds to ready as the stack tells, and, on this machine, of a cold and a warm start."""

from collections.abc import Callable

from bench.errors import BenchError
from bench.options import BenchOptions
from bench.result import Skipped, Startup
from bench.startup import ColdAndWarm, cold_and_warm
from bench.targets import Stack, Target, is_local

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
    measured, reason = None, _reason(options, stack)
    if reason is None and options.home is not None:
        say("starting a second stack twice, cold and warm")
        try:
            measured = cold_and_warm(options.home)
        except BenchError as error:
            reason = " ".join(str(error).split())
    skipped = [Skipped(what="startup, cold and warm", reason=reason)] if reason else []
    return tuple(_startup(target, measured) for target in stack.ready), skipped


def _reason(options: BenchOptions, stack: Stack) -> str | None:
    if not is_local(options.addresses.ready_url) or options.home is None:
        return "the stack is not one of this machine's BAKEOFF_HOME"
    expected = 2 * SLOWER * max((target.elapsed_s or 0.0 for target in stack.ready), default=0.0)
    if expected > MOST_OF_BUDGET * options.budget_s:
        return f"two more starts take about {expected:.0f} s; give more with --time-budget"
    return None


def _startup(target: Target, measured: ColdAndWarm | None) -> Startup:
    cold = measured.cold.backends.get(target.name) if measured else None
    warm = measured.warm.backends.get(target.name) if measured else None
    timings = cold.stages_s if cold else target.timings_s
    return Startup(
        backend=target.name,
        ready_s=target.elapsed_s,
        timings_s=timings,
        compile_s=timings.get("compiling", 0.0),
        cold_s=cold.elapsed_s if cold else None,
        warm_s=warm.elapsed_s if warm else None,
    )
