"""The open loop: requests come when they come, whether or not the server keeps up."""

import itertools
import threading
import time

import numpy as np
import numpy.typing as npt

from bench.client.closed import Lane
from bench.client.load import Seen


def arrivals(per_s: float, seconds: float, seed: int) -> npt.NDArray[np.float64]:
    """Return the moments of a Poisson process, in seconds from its start; the same for the same seed."""
    random = np.random.default_rng(seed)
    count = int(per_s * seconds + 10 * np.sqrt(per_s * seconds) + 10)
    moments: npt.NDArray[np.float64] = np.cumsum(random.exponential(1 / per_s, count))
    return moments[moments < seconds]


def open_loop(lanes: list[Lane], moments: npt.NDArray[np.float64], begin: float, end: float, bound_s: float) -> Seen:
    """Send a request at each of `moments` and wait for all answers.

    Latency counts from the moment for which a request was scheduled, so a server that stalls is charged for everybody
    who would have waited, not only for the one who did (no coordinated omission). A request that finds all connections
    busy waits for one, on the clock.

    Args:
        lanes: the connections of this process, each used by one thread.
        moments: ascending, by `time.perf_counter`. Those from `begin` to `end` count.
        begin, end: of the window.
        bound_s: latency above which a request is counted as over.
    """
    seen = Seen(elapsed_s=end - begin, processes=1)
    latencies: list[float] = []
    lock, queue = threading.Lock(), itertools.count()
    images = 0

    def drive(lane: Lane) -> None:
        nonlocal images
        while (index := next(queue)) < len(moments):  # taking a number from the counter is atomic
            scheduled = float(moments[index])
            counts = begin <= scheduled < end
            body = lane.next()
            time.sleep(max(0.0, scheduled - time.perf_counter()))
            try:
                answer = lane.connection.send(body)
                latency = time.perf_counter() - scheduled
                lane.connection.decode(answer, body.batch)
            except Exception as error:  # whatever goes wrong on the way is a failed request, never a lost run
                if counts:
                    with lock:
                        seen.failures += 1
                        seen.over += 1
                        seen.keep_error(error)
                continue
            if counts:
                with lock:
                    latencies.append(latency)
                    images += body.batch
                    seen.over += latency > bound_s
                    seen.sent_bytes += len(body.data)

    threads = [threading.Thread(target=drive, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, begin - time.perf_counter()))
    cpu = time.process_time()
    time.sleep(max(0.0, end - time.perf_counter()))
    seen.cpu_s = time.process_time() - cpu
    for thread in threads:
        thread.join()
    seen.latencies_s = np.array(latencies)
    seen.images_per_s = images / seen.elapsed_s
    seen.busy = seen.cpu_s / seen.elapsed_s
    return seen
