"""Which requests may wait: all that can be answered in time at the pace that the engines have shown.

The wait is Little's law (J. D. C. Little, Operations Research 9(3), 1961) turned round: what is outstanding, divided by the
images that all engines together embed in a second. That pace is seen only while they have as much as they can compute at
once; with less, the clients set it.
"""

from collections import deque
from dataclasses import dataclass

LOOK_EVERY_S = 0.25
"""Between two looks at the counters."""

MARGIN = 2.0
"""How many times the expected wait must fit REQUEST_TIMEOUT_S: the pace may drop after a request was accepted. What is given up
while it is computed was computed for nobody, so a queue that is longer than the deadline answers fewer requests than a short one."""

WINDOW_SHARE = 0.5
"""Part of REQUEST_TIMEOUT_S that the pace is a mean of, so that a stall of moments is not taken for the pace."""

EVIDENCE_SHARE = 0.1
"""Part of REQUEST_TIMEOUT_S that the engines must have been busy before their pace is known at all; after having been less than busy
for as long it is forgotten, because it was that of another time."""


@dataclass(frozen=True)
class _Look:
    at_s: float
    outstanding: int
    embedded: int


@dataclass(frozen=True)
class _Busy:
    until_s: float
    seconds: float
    images: int


class Admission:
    """Decides by what it is shown; it has no clock of its own."""

    def __init__(self, *, most: int, at_once: int, deadline_s: float) -> None:
        """Begin without a pace, so that nothing is refused but what exceeds `most`.

        Args:
            most: images that may be outstanding, whatever the pace.
            at_once: images that all engines together compute at once; while fewer wait, more may.
            deadline_s: seconds after which nobody waits for an answer any more.
        """
        self._most = most
        self._at_once = at_once
        self._longest_s = deadline_s / MARGIN
        self._window_s = WINDOW_SHARE * deadline_s
        self._evidence_s = EVIDENCE_SHARE * deadline_s
        self._last: _Look | None = None
        self._busy: deque[_Busy] = deque()
        self.pace: float | None = None
        """Images a second of all engines together, as of the latest look; None while too little is known."""

    def look(self, now_s: float, outstanding: int, embedded: int) -> None:
        """Take note of the counters.

        Args:
            now_s: seconds of a clock that does not jump.
            outstanding: images that wait or are computed.
            embedded: images that have been computed since the start.
        """
        before, self._last = self._last, _Look(now_s, outstanding, embedded)
        if before is not None and before.outstanding >= self._at_once:
            # Of an interval in which the queue ended, the images count and the time, of which a part was idle, does not.
            seconds = now_s - before.at_s if outstanding >= self._at_once else 0.0
            self._busy.append(_Busy(now_s, seconds, embedded - before.embedded))
        elif self._busy and now_s - self._busy[-1].until_s >= self._evidence_s:
            self._busy.clear()
        while self._busy and self._busy[0].until_s <= now_s - self._window_s:
            self._busy.popleft()
        self.pace = self._mean()

    def refusal(self, outstanding: int, images: int) -> str | None:
        """Return why `images` more may not wait, or None when they may; when nothing waits, any number may."""
        if outstanding and outstanding + images > self._most:
            return f"{outstanding} images are waiting already, and {self._most} may (MAX_QUEUE_IMAGES for each engine); try again"
        if outstanding < self._at_once or self.pace is None:
            return None
        wait_s = (outstanding + images) / self.pace
        if wait_s <= self._longest_s:
            return None
        return (
            f"{outstanding} images are waiting already, so an answer would take about {wait_s:.1f} s "
            f"(REQUEST_TIMEOUT_S must hold {MARGIN:g} times that); try again"
        )

    def _mean(self) -> float | None:
        seconds = sum(one.seconds for one in self._busy)
        if not seconds or seconds < self._evidence_s:
            return None
        # What the engines have in hand counts as done, so that a batch that takes long is not taken for a standstill.
        return (sum(one.images for one in self._busy) + self._at_once) / seconds
