import threading
import time
from typing import Any

import numpy as np
import pytest

from bench.client.bodies import Body
from bench.client.closed import HOPELESS, Lane, closed_loop
from bench.client.connections import Embeddings, RefusedError, checked
from bench.client.load import KEPT_ERRORS, Seen, together
from bench.client.poisson import arrivals, open_loop


class FakeConnection:
    """Answers after a time; an exception in place of a time is raised, or is what the answer turns out to be."""

    def __init__(self, *script: float | Exception, refuse: bool = False) -> None:
        self.script = script
        self.refuse = refuse
        self.asked = 0

    def open(self) -> None: ...
    def close(self) -> None: ...

    def send(self, body: Body) -> Any:
        step = self.script[min(self.asked, len(self.script) - 1)]
        self.asked += 1
        if isinstance(step, Exception):
            raise step
        time.sleep(step)
        return None

    def decode(self, answer: Any, batch: int) -> Embeddings:
        if self.refuse:
            raise RefusedError("no embeddings")
        return np.zeros((batch, 512), np.float32)


def lane(connection: FakeConnection, batch: int = 2) -> Lane:
    body = Body("m", batch, bytearray(100), 0, np.zeros((batch, 3), np.int64))
    return Lane(connection, [body], 0)


def closed(*connections: FakeConnection, seconds: float = 0.1, least: int = 1) -> Seen:
    begin = time.perf_counter()
    return closed_loop([lane(each) for each in connections], begin, begin + seconds, least)


def test_a_slow_server_still_gets_the_least_number_of_requests_and_the_first_is_not_counted() -> None:
    slow = FakeConnection(0.05)
    seen = closed(slow, seconds=0.0, least=3)
    assert (len(seen.latencies_s), slow.asked, seen.failures) == (3, 4, 0)
    assert seen.sent_bytes == 300


def test_the_throughput_is_that_of_each_connection_s_own_time() -> None:
    seen = closed(FakeConnection(0.02), FakeConnection(0.04), seconds=0.3)
    each = seen.latencies_s
    assert len(each) > 15
    rates = [2 / np.mean(each[each < 0.035]), 2 / np.mean(each[each >= 0.035])]
    assert seen.images_per_s == pytest.approx(sum(rates), rel=0.1)


def test_a_failure_is_counted_and_has_no_latency() -> None:
    seen = closed(FakeConnection(0.01, 0.01, OSError("connection  reset"), 0.01), seconds=0, least=3)
    assert (len(seen.latencies_s), seen.failures, seen.errors) == (2, 1, ["connection reset"])


def test_a_wrong_answer_counts_as_a_failure_however_fast() -> None:
    seen = closed(FakeConnection(0.0, refuse=True), seconds=10)
    assert len(seen.latencies_s) == 0
    assert seen.failures >= HOPELESS - 1
    assert seen.errors == ["no embeddings"]


def test_a_server_that_only_fails_is_given_up() -> None:
    dead = FakeConnection(ValueError("no"))
    begin = time.perf_counter()
    seen = closed_loop([lane(dead)], begin + 0.2, begin + 10**9, 1)
    assert (dead.asked, len(seen.latencies_s), seen.failures) == (HOPELESS, 0, HOPELESS)


def test_a_dead_connection_does_not_end_the_others() -> None:
    seen = closed(FakeConnection(OSError("gone")), FakeConnection(0.01), seconds=0.2)
    assert len(seen.latencies_s) > 10
    assert seen.failures == HOPELESS - 1


def test_all_go_on_until_the_last_has_counted() -> None:
    quick, slow = FakeConnection(0.005), FakeConnection(0.3)
    closed(quick, slow, seconds=0.05, least=1)
    assert quick.asked * 0.005 > 0.25


def test_arrivals_are_poisson_and_repeatable() -> None:
    moments = arrivals(200, 100, seed=3)
    gaps = np.diff(moments)
    assert np.array_equal(moments, arrivals(200, 100, seed=3))
    assert not np.array_equal(moments[:100], arrivals(200, 100, seed=4)[:100])
    assert len(moments) == pytest.approx(20_000, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # as of an exponential distribution
    assert moments[-1] < 100


def test_latency_counts_from_the_scheduled_moment() -> None:
    """Three requests at once on one connection: the second and the third wait for it, on the clock."""
    begin = time.perf_counter()
    moments = np.array([begin + 0.1] * 3)
    seen = open_loop([lane(FakeConnection(0.1))], moments, begin, begin + 0.3, bound_s=0.25)
    assert sorted(np.round(seen.latencies_s, 1)) == [0.1, 0.2, 0.3]
    assert seen.over == 1


def test_only_arrivals_within_the_window_count_and_failures_are_over_the_bound() -> None:
    begin = time.perf_counter()
    moments = begin + np.array([0.0, 0.1, 0.15, 0.3])
    connection = FakeConnection(0.0, OSError("gone"), 0.0)
    seen = open_loop([lane(connection)], moments, begin + 0.05, begin + 0.2, bound_s=1)
    assert (connection.asked, len(seen.latencies_s), seen.failures, seen.over) == (4, 1, 1, 1)
    assert seen.images_per_s == pytest.approx(2 / 0.15)


def test_no_request_is_sent_twice_or_left_out_by_many_threads() -> None:
    connections = [FakeConnection(0.001) for _ in range(8)]
    begin = time.perf_counter()
    moments = begin + np.linspace(0, 0.2, 200)
    seen = open_loop([lane(each) for each in connections], moments, begin, begin + 1, bound_s=9)
    assert sum(each.asked for each in connections) == len(seen.latencies_s) == 200
    assert threading.active_count() < 8


def test_every_request_of_a_lane_has_a_number_of_its_own() -> None:
    body = Body("m", 2, bytearray(16), 0, np.arange(16).reshape(2, 8))
    made = Lane(FakeConnection(0.0), [body], serial=1000)
    assert len({bytes(made.next().data) for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("data", "shape", "says"),
    [
        (b"", [2, 512], r"in 0 bytes; expected \[2, 512\]"),
        (np.ones(512, np.float32).tobytes(), [1, 512], r"shape \[1, 512\]"),
        (np.zeros(1024, np.float32).tobytes(), [2, 512], "norm 0"),
        (np.full(1024, np.nan, np.float32).tobytes(), [2, 512], "norm nan"),
    ],
)
def test_an_answer_that_is_no_embedding_is_an_error(data: bytes, shape: list[int], says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        checked(data, shape, 2)


def test_processes_are_added_up() -> None:
    parts = [
        Seen(np.array([0.1]), 1, ["a", "b"], 1, 10.0, 1.0, 100, 0.5, 0.5, 1),
        Seen(np.array([0.2]), 0, ["b", "c", "d"], 0, 20.0, 1.1, 100, 0.9, 0.8, 1),
    ]
    whole = together(parts)
    assert (whole.images_per_s, whole.failures, whole.over, whole.busy, whole.processes) == (30, 1, 1, 0.8, 2)
    assert whole.cpu_s == pytest.approx(1.4)
    assert whole.errors == ["a", "b", "c"]
    assert len(whole.errors) == KEPT_ERRORS
