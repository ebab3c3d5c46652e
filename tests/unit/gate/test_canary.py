"""The gate's photo: right, wrong, unanswered, refused."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from server.backends.client import BackendError, Busy, ModelLost
from server.gate.canary import Canary
from server.model.reference import Reference

RNG = np.random.default_rng(5)
EMBEDDINGS = RNG.normal(size=(4, 512)).astype(np.float32)
EMBEDDINGS /= np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
REFERENCE = Reference([bytes([row]) for row in range(4)], np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1), EMBEDDINGS)


class FakeClient:
    """Answers from the reference, pixels and files each as it is told to."""

    def __init__(
        self, pixels: Callable[[np.ndarray], np.ndarray], files: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> None:
        self._pixels = pixels
        self._files = files or pixels

    def __enter__(self) -> "FakeClient":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def embed_pixels(self, pixels: np.ndarray) -> np.ndarray:
        return self._pixels(EMBEDDINGS[pixels.ravel()])

    def embed_files(self, files: list[bytes]) -> np.ndarray:
        return self._files(EMBEDDINGS[[file[0] for file in files]])


def canary(answer: Callable[[np.ndarray], np.ndarray]) -> Canary:
    return Canary(lambda: FakeClient(answer), REFERENCE, "fp32", 0.01, decodes_on_gpu=False)  # type: ignore[arg-type,return-value]


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_right_answers_are_no_problem() -> None:
    calls: list[int] = []

    def answer(rows: np.ndarray) -> np.ndarray:
        calls.append(1)
        return rows

    with canary(answer) as one:
        assert within(5, lambda: len(calls) > 10)
        assert one.problem is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda rows: rows * np.nan,
        lambda rows: np.zeros_like(rows),
        lambda rows: np.roll(rows, 1, axis=1),
        lambda rows: rows + 0.01,
        lambda rows: rows[:, :100],
        lambda rows: np.concatenate([rows, rows]),
    ],
    ids=["nan", "zeros", "shifted", "off", "short", "two"],
)
def test_wrong_answers_are(wrong: Callable[[np.ndarray], np.ndarray]) -> None:
    with canary(wrong) as one:
        assert within(5, lambda: one.incurable)
    assert "embedding of pixels" in str(one.problem)


@pytest.mark.parametrize(("decodes_on_gpu", "wrong"), [(True, ["pixels"]), (False, ["pixels", "encoded"])])
def test_only_a_photo_that_a_gpu_decoded_may_differ_as_fp16_does(decodes_on_gpu: bool, wrong: list[str]) -> None:
    def off(rows: np.ndarray) -> np.ndarray:
        return rows + np.float32(0.0005)  # an error of 0.008 of the spread

    def right(rows: np.ndarray) -> np.ndarray:
        return rows

    one = Canary(lambda: None, REFERENCE, "fp32", 1, decodes_on_gpu=decodes_on_gpu)  # type: ignore[arg-type,return-value]
    found = {"pixels": one.ask(FakeClient(off, right), 0), "encoded": one.ask(FakeClient(right, off), 0)}  # type: ignore[arg-type]
    assert [kind for kind, problem in found.items() if problem] == wrong


def test_an_error_is_a_problem_and_names_itself() -> None:
    def fail(_: np.ndarray) -> np.ndarray:
        raise BackendError("CUDA error: an illegal memory access was encountered")

    with canary(fail) as one:
        assert within(5, lambda: one.problem is not None)
    assert "illegal memory access" in str(one.problem)
    assert not one.incurable


def test_a_model_s_process_that_triton_has_given_up_is_incurable() -> None:
    def fail(_: np.ndarray) -> np.ndarray:
        raise ModelLost("Stub process 'openclip_preprocess_0_2' is not healthy.")

    with canary(fail) as one:
        assert within(5, lambda: one.problem is not None)
    assert one.incurable


def test_silence_and_refusal_are_counted_but_are_no_verdict() -> None:
    released = threading.Event()

    def hang(rows: np.ndarray) -> np.ndarray:
        released.wait(10)
        return rows

    def refuse(_: np.ndarray) -> np.ndarray:
        raise Busy("queue full")

    for answer in (hang, refuse):
        with canary(answer) as one:
            assert within(5, lambda: one.waiting_s > 0.2)
            assert one.problem is None
            released.set()
