"""The `startup` scenario: how long each backend took to be ready."""

from bench.result import Startup
from bench.targets import Stack


def startups(stack: Stack) -> tuple[Startup, ...]:
    """Return what the stack's `/ready` tells of every backend that was started."""
    return tuple(
        Startup(
            backend=target.name,
            ready_s=target.elapsed_s,
            timings_s=target.timings_s,
            compile_s=target.timings_s.get("compiling", 0.0),
        )
        for target in stack.ready
    )
