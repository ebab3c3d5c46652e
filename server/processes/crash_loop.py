"""Telling a program that cannot be kept running from one that had an accident."""

import contextlib
import logging
import time
from dataclasses import dataclass

from server.settings import Settings
from server.state import PAUSE

MAX_IN_A_ROW = 5
"""Ends in a row without having been of use in between, after which a program is given up."""

LONGEST_PAUSE_S = 16.0

USEFUL_AFTER_S = 60.0
"""A program that the readiness document does not know was of use when it ran for so long."""

log = logging.getLogger("bakeoff")


@dataclass
class CrashLoop:
    """One program's ends in a row, of which `most` are too many."""

    most: int = MAX_IN_A_ROW
    in_a_row: int = 0

    def ended(self, *, was_useful: bool) -> bool:
        """Count an end; return whether the program is to be given up."""
        self.in_a_row = 1 if was_useful else self.in_a_row + 1
        return self.in_a_row >= self.most

    @property
    def pause_s(self) -> float:
        """Seconds to wait before the next start: none after an accident, then 1, 2, 4, ..."""
        return 0.0 if self.in_a_row < 2 else min(2.0 ** (self.in_a_row - 2), LONGEST_PAUSE_S)


def write_pause(settings: Settings, program: str, seconds: float) -> None:
    """Have the next start of `program` wait; on a full disk it does not."""
    file = PAUSE.at(settings.bakeoff_home, program)
    with contextlib.suppress(OSError):
        if seconds:
            file.write_text(str(seconds), encoding="ascii")
        else:
            file.unlink(missing_ok=True)


def back_off(settings: Settings, program: str) -> None:
    """Wait, if this program has ended several times in a row before it was of use."""
    try:
        seconds = min(float(PAUSE.at(settings.bakeoff_home, program).read_text(encoding="ascii")), LONGEST_PAUSE_S)
    except (OSError, ValueError):
        return
    log.warning("waiting %g s: it has ended several times in a row before it was ready", seconds)
    time.sleep(seconds)
