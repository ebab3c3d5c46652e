"""Who gets the processors first: a bound of time is for a machine of one's own, and the suite's other worker uses this one too."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BOUNDED = -10
"""For what computes and has a bound: nine parts of ten beside what has the usual priority (the kernel's sched_prio_to_weight)."""

WAITING = -20
"""For what mostly waits, and has to be woken in time beside all others."""


@contextmanager
def first(nice: int = BOUNDED) -> Iterator[None]:
    """Let this process, and those that it starts meanwhile, go first where that is allowed."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, usual)
