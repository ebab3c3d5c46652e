"""Files become segments of pixels in their places; what the decoder refuses is told to the worker."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from server.ipc.messages import Done
from server.pytorch.engine.decode_loop import MAX_FILES, MAX_PIXELS, DecodeLoop, JpegFile
from server.pytorch.engine.work import Encoded, EngineRequest, SegmentQueue


class Decoder:
    """Decodes a file to its first byte; refuses 255, fails as a whole on 254."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def prepare(self, files: list[np.ndarray]) -> tuple[np.ndarray, set[int], None]:
        self.calls.append(len(files))
        values = np.array([file[0] for file in files])
        if (values == 254).any():
            raise RuntimeError("decoder broken")
        return values, {index for index, value in enumerate(values) if value == 255}, None


def run(requests: list[list[int]], pixels: int = 1) -> tuple[list[dict[int, int]], list[Done], Decoder]:
    """Return what arrives at the encoder per request, as index -> value, and the answers."""
    queue, decoder, answers = SegmentQueue(0), Decoder(), []
    loop = DecodeLoop(decoder, queue, on_error=lambda _: None)
    made = [
        EngineRequest(number, np.zeros((len(values), 512), np.float32), answers.append)
        for number, values in enumerate(requests)
    ]
    for request, values in zip(made, requests, strict=True):
        loop.put([JpegFile(request, index, np.array([value], np.uint8), pixels) for index, value in enumerate(values)])
    loop.start()
    loop.close()
    arrived: list[dict[int, int]] = [{} for _ in requests]
    while batch := queue.take(1000, wait=False):
        for segment in batch:
            number = made.index(segment.request)
            for row, value in enumerate(segment.pixels):
                assert segment.first + row not in arrived[number]
                arrived[number][segment.first + row] = int(value)
            rows = np.zeros((segment.count, 512), np.float32)
            segment.request.embedded(segment.first, rows, Encoded(rows, 0, 0, 0))
    return arrived, answers, decoder


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.sampled_from([1, 2, 3, 255]), min_size=1, max_size=20), min_size=1, max_size=10))
def test_every_file_arrives_in_its_place_or_is_refused(requests: list[list[int]]) -> None:
    arrived, answers, _ = run(requests)
    for number, values in enumerate(requests):
        assert arrived[number] == {index: value for index, value in enumerate(values) if value != 255}
    assert {answer.id: answer.refused for answer in answers} == {
        number: [index for index, value in enumerate(values) if value == 255] for number, values in enumerate(requests)
    }


def test_a_call_takes_no_more_files_than_is_useful() -> None:
    assert run([[1] * (MAX_FILES + 3)])[2].calls == [MAX_FILES, 3]


def test_a_call_takes_no_more_pixels_than_memory_allows() -> None:
    assert run([[1] * 5], pixels=MAX_PIXELS // 2)[2].calls == [2, 2, 1]
    assert run([[1] * 2], pixels=MAX_PIXELS * 2)[2].calls == [1, 1]


def test_a_broken_call_fails_its_requests_only() -> None:
    arrived, answers, _ = run([[254] * MAX_FILES, [3]])
    assert arrived == [{}, {0: 3}]
    by_id = {answer.id: answer.error for answer in answers}
    assert "log" in (by_id[0] or "")
    assert by_id[1] is None


def test_files_of_a_cancelled_request_are_not_decoded() -> None:
    queue, decoder, answers = SegmentQueue(0), Decoder(), []
    loop = DecodeLoop(decoder, queue, on_error=lambda _: None)
    request = EngineRequest(0, np.zeros((2, 512), np.float32), answers.append)
    request.cancelled = True
    loop.put([JpegFile(request, index, np.array([1], np.uint8), 1) for index in range(2)])
    loop.start()
    loop.close()
    assert decoder.calls == []
    assert [answer.error for answer in answers] == ["cancelled"]


def test_time_spent_decoding_is_input_time() -> None:
    _, answers, _ = run([[1, 2]])
    (done,) = answers
    assert done.input_ns > 0
