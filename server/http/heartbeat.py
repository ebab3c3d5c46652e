"""The beats of the server's processes, so that one that hangs is told from one that has nothing to do.

Asking the port does not show it: the workers share one listening socket, so the others go on taking every new connection, and with
several engines each answers only a part of the requests.
"""

import asyncio
import time

from server.ipc.counters import Counters

BEAT_EVERY_S = 0.25

SILENT_AFTER_S = 3.0
"""No single step of a worker's event loop takes so long, not even on a slow machine under load: bodies are read and decoded elsewhere."""


class Heartbeat:
    """This worker's beat, and those of the other workers."""

    def __init__(self, counters: Counters, row: int, workers: int) -> None:
        """Prepare; `start` begins to beat.

        Args:
            counters: of all processes; this one writes `row`, and the workers have the first rows.
            row: this worker's.
            workers: how many there are.
        """
        self._counters = counters
        self.row = row
        self._workers = range(workers)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Beat for as long as the running event loop runs, at once for the first time: what never beat is not known to be silent."""
        self._counters.beat(self.row)
        self._task = asyncio.create_task(self._beat())

    def silent(self, after_s: float = SILENT_AFTER_S) -> list[int]:
        """Return the workers that have not been heard for so long, but had been before.

        Engines are left out: a large batch takes a slow machine longer.
        """
        latest = time.monotonic_ns() - int(after_s * 1e9)
        return [worker for worker in self._workers if 0 < self._counters.last_beat(worker) < latest]

    async def _beat(self) -> None:
        while True:
            self._counters.beat(self.row)
            await asyncio.sleep(BEAT_EVERY_S)


class Watch:
    """The parent's view of the beats.

    It counts its own looks instead of comparing times: when the whole container was frozen, the parent must not take the others for
    silent because it is the first to wake.
    """

    def __init__(self, counters: Counters, rows: int, *, looks: int, starting: int) -> None:
        """Watch `rows` processes.

        Args:
            looks: after the first at which a beat has to be another one, or the process is silent.
            starting: likewise, for the first beat of a process.
        """
        self._counters = counters
        self._looks = looks
        self._starting = starting
        self._last = [0] * rows
        self._same = [0] * rows

    def silent(self) -> list[int]:
        """Look once; return the rows whose processes are silent."""
        for row, before in enumerate(self._last):
            self._last[row] = self._counters.last_beat(row)
            self._same[row] = self._same[row] + 1 if self._last[row] == before else 0
        return [
            row for row, same in enumerate(self._same) if same >= (self._looks if self._last[row] else self._starting)
        ]

    def forget(self, row: int) -> None:
        """Begin anew with the process that takes the place of the one that had `row`."""
        self._last[row] = self._same[row] = 0
