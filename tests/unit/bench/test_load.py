from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from bench.load import HOPELESS, closed_loop

from bench.client import BadAnswerError, Request, check


def embeddings(rows: int) -> npt.NDArray[np.float32]:
    answer = np.zeros((rows, 512), np.float32)
    answer[:, 0] = 1
    return answer


class FakeServer:
    """Answers after a given time on its own clock; None or an exception in place of a time fails."""

    def __init__(self, *script: float | Exception) -> None:
        self.now = 100.0
        self.script = script
        self.asked = 0

    def clock(self) -> float:
        return self.now

    def send(self, request: Request) -> npt.NDArray[np.float32]:
        step = self.script[min(self.asked, len(self.script) - 1)]
        self.asked += 1
        if isinstance(step, Exception):
            raise step
        self.now += step
        return embeddings(request.batch)

    def build(self, i: int) -> Request:
        self.now += 0.001
        return Request("m", 2, 10, [i])


def test_a_window_ends_with_the_first_answer_after_its_time() -> None:
    server = FakeServer(0.099)
    load = closed_loop(server.send, server.build, window_s=0.95, min_requests=2, clock=server.clock)
    assert load.latencies_ms == pytest.approx([99] * 10)
    assert load.elapsed_s == pytest.approx(1.0)
    assert load.building_s == pytest.approx(0.010)
    assert load.payload_bytes == 100


def test_a_slow_server_still_gets_the_least_number_of_requests() -> None:
    server = FakeServer(5.0)
    load = closed_loop(server.send, server.build, window_s=0.5, min_requests=3, clock=server.clock)
    assert len(load.latencies_ms) == 3


def test_a_failure_is_counted_and_has_no_latency() -> None:
    server = FakeServer(0.1, OSError("connection reset"), 0.1)
    load = closed_loop(server.send, server.build, window_s=0, min_requests=3, clock=server.clock)
    assert (len(load.latencies_ms), load.failures, load.errors) == (2, 1, ["connection reset"])


def test_a_server_that_only_fails_is_given_up() -> None:
    server = FakeServer(ValueError("no"))
    load = closed_loop(server.send, server.build, window_s=10**9, min_requests=1, clock=server.clock)
    assert (load.latencies_ms, load.failures, load.errors) == ([], HOPELESS, ["no"])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: None, "no embeddings"),
        (lambda: embeddings(1), r"\[1, 512\]; expected \[2, 512\]"),
        (lambda: embeddings(2) * 0, "norm 0"),
        (lambda: embeddings(2) * np.nan, "norm nan"),
    ],
)
def test_an_answer_that_is_no_embedding_is_an_error(
    answer: Callable[[], npt.NDArray[np.float32] | None], says: str
) -> None:
    with pytest.raises(BadAnswerError, match=says):
        check(answer(), 2)


def test_a_wrong_answer_counts_as_a_failure_however_fast() -> None:
    server = FakeServer(0.1)
    load = closed_loop(lambda _: None, server.build, window_s=0, min_requests=2, clock=server.clock)
    assert (load.latencies_ms, load.failures) == ([], 2)
