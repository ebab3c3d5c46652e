"""One client process: takes loads from the parent, applies its share of them, and tells what it saw."""

import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe

import numpy as np

from bench.client.bodies import make_body
from bench.client.closed import Lane, closed_loop
from bench.client.connections import connect
from bench.client.load import Load, Seen
from bench.client.poisson import arrivals, open_loop
from bench.photos import PhotoSet

BODIES_BYTES = 64 * 2**20
"""Most bytes of requests that a connection keeps ready, unless two of them are more."""

SERIALS = 2**20
"""Serial numbers between those of two connections, more than any sends in a window."""

MOST_CONNECTIONS = 2**10


def work(pipe: Pipe, index: int, processes: int, photos: PhotoSet) -> None:
    """Serve the parent until it closes the pipe.

    The parent sends a `Load`, is told `ready` or an error's words, sends the moment of the start, and gets a `Seen`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what follows
    with suppress(EOFError, OSError):
        while True:
            load: Load = pipe.recv()
            try:
                lanes = _lanes(load, index, processes, photos)
            except Exception as error:
                pipe.send(repr(error))
                continue
            pipe.send("ready")
            start: float = pipe.recv()
            pipe.send(_apply(load, lanes, index, start))
            for lane in lanes:
                lane.connection.close()


def share(load: Load, index: int, processes: int) -> range:
    """Return the numbers of the connections that process `index` has."""
    return range(index, load.connections, processes)


def _lanes(load: Load, index: int, processes: int, photos: PhotoSet) -> list[Lane]:
    lanes = []
    for number in share(load, index, processes):
        first = load.serial + number * load.batch
        bodies = [make_body(load.input, load.transport, photos.rotation(first, load.batch))]
        kinds = -(-len(photos.photos) // (load.batch * load.connections))  # all photos, by all connections together
        for turn in range(1, max(2, min(kinds, BODIES_BYTES // len(bodies[0].data)))):
            start = first + turn * load.batch * load.connections
            bodies.append(make_body(load.input, load.transport, photos.rotation(start, load.batch)))
        lane = Lane(connect(load.endpoint, load.transport), bodies, (load.serial * MOST_CONNECTIONS + number) * SERIALS)
        with suppress(Exception):  # a backend that is gone shows as failed requests
            lane.connection.open()
        lanes.append(lane)
    return lanes


def _apply(load: Load, lanes: list[Lane], index: int, start: float) -> Seen:
    time.sleep(max(0.0, start - time.perf_counter()))
    begin = start + load.settle_s
    if load.per_s is None:
        requests = -(-load.min_requests // load.connections)
        return closed_loop(lanes, begin, begin + load.window_s, requests)
    seed = np.random.SeedSequence([load.seed, index]).generate_state(1)[0]
    moments = start + arrivals(load.per_s * len(lanes) / load.connections, load.settle_s + load.window_s, int(seed))
    return open_loop(lanes, moments, begin, begin + load.window_s, load.bound_ms / 1e3)
