"""Who gets the processors first: a bound of time is for a machine of one's own, and the suite's other worker uses this one too."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

FIRST = -10
"""Nine parts of ten beside what has the usual priority (the kernel's weights, sched_prio_to_weight)."""


@contextmanager
def first() -> Iterator[None]:
    """Let this process, and those that it starts meanwhile, go first where that is allowed."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, FIRST)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, usual)
