"""An asyncio event loop whose timers are late by microseconds instead of a millisecond, at the price of busy waiting."""

import asyncio
import selectors
import time

SPIN_S = 0.0025
"""The last part of a wait that is spent asking again and again; epoll rounds up to whole milliseconds."""


class SpinningSelector(selectors.EpollSelector):
    """Sleeps until shortly before the timeout and polls from then on; what arrives meanwhile is seen at once."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        deadline = time.monotonic() + timeout
        events = super().select(timeout - SPIN_S) if timeout > SPIN_S else []
        while not events and time.monotonic() < deadline:
            events = super().select(0)
        return events


def precise_loop() -> asyncio.AbstractEventLoop:
    """Return a new loop."""
    return asyncio.SelectorEventLoop(SpinningSelector())
