"""The load of one window: closed loop, one request in flight, for a time and at least a number of requests."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bench.client import Request, check

HOPELESS = 5
"""Failures in a row that end a window: a server that refuses at once would be asked thousands of times."""

KEPT_ERRORS = 3
"""Different error messages that are kept of a window."""

Send = Callable[[Request], npt.NDArray[np.float32] | None]


@dataclass
class Load:
    """What a window saw.

    Attributes:
        latencies_ms: of each request that succeeded, in order, from handing it to the client to its decoded answer.
        failures: requests that failed, were refused or got an answer that is no embedding.
        errors: up to 3 of their messages, each once.
        elapsed_s: from the first request's start to the last one's end, building the requests included.
        building_s: the part of `elapsed_s` spent on building requests and checking answers.
        payload_bytes: bytes of tensors sent.
    """

    latencies_ms: list[float] = field(default_factory=list)
    failures: int = 0
    errors: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0
    building_s: float = 0.0
    payload_bytes: int = 0


def closed_loop(
    send: Send,
    build: Callable[[int], Request],
    *,
    window_s: float,
    min_requests: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Load:
    """Send one request after the other until `window_s` has passed and `min_requests` were answered.

    Args:
        send: sends a request and returns its embeddings.
        build: gives the i-th request of the window, from 0.
        window_s: seconds.
        min_requests: fewest requests, failed ones included.
        clock: seconds from some fixed moment.
    """
    load = Load()
    in_a_row = asked = 0
    answered = start = clock()
    while (answered - start < window_s or asked < min_requests) and in_a_row < HOPELESS:
        request = build(asked)
        asked += 1
        load.payload_bytes += request.payload_bytes
        sent = clock()
        load.building_s += sent - answered
        try:
            embeddings = send(request)
            answered = clock()
            check(embeddings, request.batch)
        except Exception as error:  # whatever goes wrong on the way is a failed request, never a lost run
            answered = clock()
            in_a_row += 1
            load.failures += 1
            message = " ".join(str(error).split()) or type(error).__name__
            if message not in load.errors and len(load.errors) < KEPT_ERRORS:
                load.errors.append(message)
        else:
            in_a_row = 0
            load.latencies_ms.append((answered - sent) * 1e3)
    load.elapsed_s = answered - start
    return load
