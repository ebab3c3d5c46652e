"""A double of a worker's or engine's process that only beats, and says so once; it takes little time to start."""

import os
import signal
import sys
import time
from pathlib import Path

from server.ipc import inherited, lifeline
from server.ipc.counters import Counters
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL

MAX_BATCH_SIZE = 128
"""The default; reading the settings would take most of the start."""


def main() -> None:
    """Beat until SIGTERM or, with the file `DOUBLE_FAILS`, fail at once or, where it says so, `hang`."""
    own = inherited.parse(sys.argv[1:])
    lifeline.watch(own.lifeline)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    fails = Path(os.environ.get("DOUBLE_FAILS", "/nonexistent"))
    if fails.exists() and fails.read_text() == "hang":
        signal.pause()
    if fails.exists():
        sys.exit("this double was told to fail")
    counters = Counters(own.counters, (PIXEL_MODEL, ENCODED_MODEL), MAX_BATCH_SIZE)
    counters.beat(own.row)
    print(f"row {own.row} beats", file=sys.stderr, flush=True)
    while True:
        counters.beat(own.row)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
