"""The closed loop: every connection has always one request in flight."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np

from bench.client.bodies import Body
from bench.client.connections import Connection
from bench.client.load import Seen

HOPELESS = 5
"""Failures in a row that end a connection's part: a server that refuses at once would be asked thousands of times."""


@dataclass
class Lane:
    """One connection and what it sends in turn."""

    connection: Connection
    bodies: list[Body]
    serial: int
    sent: int = 0

    def next(self) -> Body:
        """Return the next request, unlike all before it."""
        body = self.bodies[self.sent % len(self.bodies)]
        body.stamp(self.serial + self.sent * body.batch)
        self.sent += 1
        return body


@dataclass
class _Part:
    latencies_s: list[float] = field(default_factory=list)
    images: int = 0
    began: float = 0.0
    ended: float = 0.0
    sent_bytes: int = 0
    failures: int = 0
    seen: Seen = field(default_factory=Seen)


def closed_loop(lanes: list[Lane], begin: float, end: float, min_requests: int) -> Seen:
    """Drive all `lanes` at once until the window is over.

    A connection counts its requests from the first that it starts after `begin` (never its first one at all) to the
    first answer after `end`, and at least `min_requests`. All go on sending, uncounted, until the last has counted its
    own, so that the load does not fall before the window is over. The throughput is the sum over the connections of
    each one's images by its own time; answers come in bursts where a server batches, and a common window would cut them.

    Args:
        lanes: the connections of this process.
        begin, end: of the window, by `time.perf_counter`.
        min_requests: fewest requests of each connection.
    """
    parts = [_Part() for _ in lanes]
    counting = _Countdown(len(lanes))
    threads = [
        threading.Thread(target=_drive, args=(lane, part, begin, end, min_requests, counting), daemon=True)
        for lane, part in zip(lanes, parts, strict=True)
    ]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, begin - time.perf_counter()))
    cpu, started = time.process_time(), time.perf_counter()
    counting.wait()
    elapsed = time.perf_counter() - started
    cpu = time.process_time() - cpu
    for thread in threads:
        thread.join()
    seen = Seen(
        latencies_s=np.array([latency for part in parts for latency in part.latencies_s]),
        failures=sum(part.failures for part in parts),
        images_per_s=sum(part.images / (part.ended - part.began) for part in parts if part.images),
        elapsed_s=elapsed,
        sent_bytes=sum(part.sent_bytes for part in parts),
        cpu_s=cpu,
        busy=cpu / elapsed,
        processes=1,
    )
    for part in parts:
        for error in part.seen.errors:
            seen.keep_error(error)
    return seen


def _drive(lane: Lane, part: _Part, begin: float, end: float, min_requests: int, counting: "_Countdown") -> None:
    clock = time.perf_counter
    counted = in_a_row = 0
    done = False
    connection = lane.connection
    while not counting.over and not (done and in_a_row):
        body = lane.next()
        sent = clock()
        counts = sent >= begin and lane.sent > 1 and not done
        if counts and not counted:
            part.began = sent
        try:
            answer = connection.send(body)
            answered = clock()
            connection.decode(answer, body.batch)
        except Exception as error:  # whatever goes wrong on the way is a failed request, never a lost run
            answered = clock()
            in_a_row += 1
            if counts:
                part.failures += 1
                part.seen.keep_error(error)
        else:
            in_a_row = 0
            if counts:
                part.latencies_s.append(answered - sent)
                part.images += body.batch
        if counts:
            counted += 1
            part.ended = answered
            part.sent_bytes += len(body.data)
        if not done and ((counts and answered >= end and counted >= min_requests) or in_a_row >= HOPELESS):
            if not counted:  # it failed before the window: the window has failed
                part.failures += in_a_row
                part.seen.keep_error("no answer before the window began")
            done = True
            counting.down()


class _Countdown:
    """Tells when all connections have counted what they had to."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._left = count
        self._event = threading.Event()

    @property
    def over(self) -> bool:
        """Whether all are done."""
        return self._left <= 0

    def down(self) -> None:
        """One more is done."""
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                self._event.set()

    def wait(self) -> None:
        """Wait for all."""
        self._event.wait()
