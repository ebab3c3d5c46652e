"""Batches are filled in order, split where they are full, and every request is answered once with its own rows."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.ipc.messages import Done
from server.pytorch.engine.encode_loop import EncodeLoop
from server.pytorch.engine.work import Encoded, EngineRequest, Segment, SegmentQueue
from tests.unit.pytorch.encoder_double import FAILS, FAILS_LATER, EncoderDouble


class Bench:
    """A queue, a loop and the answers that came out."""

    def __init__(self, model: EncoderDouble, waiting: Sequence[list[int]] = (), delay_us: int = 0) -> None:
        """Start the loop when the requests of `waiting`, numbered from 0, are in the queue."""
        self.queue = SegmentQueue(delay_us)
        self.answers: dict[int, Done] = {}
        self.results: dict[int, np.ndarray] = {}
        self.errors: list[Exception] = []
        loop = EncodeLoop(model, self.queue, on_execution=lambda *_: None, on_error=self.errors.append)
        self.thread = threading.Thread(target=loop.run)
        for number, values in enumerate(waiting):
            self.ask(number, values)
        self.thread.start()

    def ask(self, number: int, values: list[int]) -> EngineRequest:
        self.results[number] = np.zeros((len(values), 512), np.float32)

        def reply(done: Done) -> None:
            assert number not in self.answers
            self.answers[number] = done

        request = EngineRequest(number, self.results[number], reply)
        self.queue.put([Segment(request, 0, np.array(values))])
        return request

    def finish(self) -> None:
        self.queue.close()
        self.thread.join()


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=30), max_batch=st.integers(1, 16))
def test_every_request_gets_its_rows_and_no_batch_is_too_large(sizes: list[int], max_batch: int) -> None:
    model = EncoderDouble(max_batch, depth=2)
    bench = Bench(model)
    for number, size in enumerate(sizes):
        bench.ask(number, [1000 * number + row for row in range(size)])
    bench.finish()
    for number, size in enumerate(sizes):
        assert bench.results[number][:, 7].tolist() == [1000 * number + row for row in range(size)]
        assert bench.answers[number].error is None
    assert max(model.batches) <= max_batch
    assert sum(model.batches) == sum(sizes)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_batches_in_flight_are_collected_in_their_order(depth: int) -> None:
    bench = Bench(EncoderDouble(1, depth), waiting=[[number] for number in range(8)])
    bench.finish()
    assert [bench.results[number][0, 0] for number in range(8)] == list(range(8))


def test_a_launch_that_fails_takes_no_lane_from_a_batch_in_flight() -> None:
    bench = Bench(EncoderDouble(1, depth=2), waiting=[[1], [FAILS], [2], [3]])
    bench.finish()
    assert [bench.results[number][0, 0] for number in (0, 2, 3)] == [1, 2, 3]
    assert [number for number, answer in bench.answers.items() if answer.error] == [1]


def test_what_waits_fills_batches() -> None:
    model = EncoderDouble(8, depth=2)
    model.gate.clear()
    bench = Bench(model)
    bench.ask(0, [0])
    assert model.launched.wait(10)
    for number in range(1, 6):
        bench.ask(number, [number] * 4)
    model.gate.set()
    bench.finish()
    assert sum(model.batches) == 21
    assert model.batches.count(8) == 2


def test_a_cancelled_request_is_answered_and_costs_nothing() -> None:
    model = EncoderDouble(4, depth=2)
    model.gate.clear()
    bench = Bench(model)
    bench.ask(0, [0])
    assert model.launched.wait(10)
    bench.ask(1, [5] * 4).cancelled = True
    bench.ask(2, [6])
    model.gate.set()
    bench.finish()
    assert bench.answers[1].error == "cancelled"
    assert bench.results[2][0, 0] == 6
    assert sum(model.batches) == 2


def test_a_cancelled_request_is_answered_once_and_not_while_a_part_of_it_is_in_flight() -> None:
    model = EncoderDouble(4)
    model.gate.clear()
    bench = Bench(model)
    request = bench.ask(0, [5] * 6)
    assert model.launched.wait(10)
    request.cancelled = True
    bench.ask(1, [6])
    assert bench.answers == {}
    model.gate.set()
    bench.finish()
    assert bench.answers[0].error == "cancelled"
    assert bench.results[1][0, 0] == 6
    assert model.batches == [4, 1]


@pytest.mark.parametrize("failure", [FAILS, FAILS_LATER])
@pytest.mark.parametrize("batch", [0, 1, 2])
def test_a_request_of_which_one_batch_fails_has_failed(batch: int, failure: int) -> None:
    values = [7] * 12
    values[4 * batch] = failure
    bench = Bench(EncoderDouble(4, depth=2), waiting=[values, [8]])
    bench.finish()
    assert "log" in (bench.answers[0].error or "")
    assert bench.answers[1].error is None
    assert bench.results[1][0, 0] == 8


def test_a_failed_batch_fails_its_requests_and_the_next_one_is_served() -> None:
    bench = Bench(EncoderDouble(1, depth=2))
    bench.ask(0, [FAILS])
    bench.ask(1, [7])
    bench.finish()
    assert "log" in (bench.answers[0].error or "")
    assert bench.results[1][0, 0] == 7
    assert [str(error) for error in bench.errors] == ["the model failed"]


def test_a_delay_waits_for_company() -> None:
    model = EncoderDouble(2, depth=2)
    bench = Bench(model, delay_us=5_000_000)
    bench.ask(0, [1])
    bench.ask(1, [2])
    bench.finish()
    assert model.batches == [2]


def test_times_and_refusals_are_told() -> None:
    answers: list[Done] = []
    request = EngineRequest(9, np.zeros((3, 512), np.float32), answers.append)
    request.decode_ns = 40
    request.started()
    request.refuse(1)
    batch = Encoded(np.ones((1, 512), np.float32), 1, 2, 3)
    request.embedded(0, batch.embeddings, batch)
    assert answers == []
    request.embedded(2, batch.embeddings, batch)
    (done,) = answers
    assert (done.id, done.refused, done.error) == (9, [1], None)
    assert (done.input_ns, done.infer_ns, done.output_ns) == (42, 4, 6)


def test_a_queue_that_is_closed_says_so() -> None:
    queue = SegmentQueue(0)
    assert queue.take(4, wait=False) == []
    queue.close()
    assert queue.take(4, wait=True) is None


@pytest.mark.parametrize("most", [1, 3, 5])
def test_a_split_keeps_the_order(most: int) -> None:
    queue = SegmentQueue(0)
    request = EngineRequest(0, np.zeros((10, 512), np.float32), lambda _: None)
    queue.put([Segment(request, 0, np.arange(10))])
    seen: list[int] = []
    while batch := queue.take(most, wait=False):
        for segment in batch:
            assert segment.first == len(seen)
            seen.extend(segment.pixels.tolist())
    assert seen == list(range(10))
