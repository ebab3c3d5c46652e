"""Photos that a backend refuses are left out for all of them."""

from collections.abc import Callable

import numpy as np
import pytest

from bench.acceptance import AT_ONCE, accepted
from bench.client.connections import Embeddings, RefusedError
from bench.errors import BenchError
from bench.photos import LeftOut, Photo, PhotoSet
from bench.scenarios import Input

PHOTOS = PhotoSet(tuple(Photo(f"{i}.jpg", bytes([i]), np.zeros((3, 224, 224), np.uint8)) for i in range(20)), 20)


class ControlDouble:
    """A backend that refuses some photos, by name; `answer` may raise something else for a request's photos."""

    def __init__(self, *refused: str, status: int = 400, answer: Callable[[set[str]], None] = lambda _: None) -> None:
        self.refused = set(refused)
        self.status = status
        self.answer = answer
        self.asked: list[int] = []

    def embed(self, kind: Input, photos: list[Photo]) -> Embeddings:
        assert kind == "encoded"
        self.asked.append(len(photos))
        names = {photo.name for photo in photos}
        self.answer(names)
        if names & self.refused:
            raise RefusedError(f"answered {self.status}: not a  JPEG", self.status)
        return np.zeros((len(photos), 512), np.float32)


def names(photos: PhotoSet) -> list[str]:
    return [photo.name for photo in photos.photos]


def ask(most: int = 128, **controls: ControlDouble) -> PhotoSet:
    return accepted(PHOTOS, controls, most)  # type: ignore[arg-type]


def test_what_one_backend_refuses_is_left_out_for_all_and_named_with_its_words() -> None:
    found = ask(pytorch=ControlDouble("3.jpg"), onnx=ControlDouble("3.jpg", "11.jpg"))
    assert names(found) == [photo.name for photo in PHOTOS.photos if photo.name not in ("3.jpg", "11.jpg")]
    assert found.left_out == (
        LeftOut(name="3.jpg", reason="pytorch answered 400: not a JPEG"),
        LeftOut(name="11.jpg", reason="onnx answered 400: not a JPEG"),
    )
    assert found.found == 20


def test_photos_that_could_not_be_read_stay_named() -> None:
    unread = LeftOut(name="x.jpg", reason="cannot be read")
    found = accepted(PhotoSet(PHOTOS.photos, 21, (unread,)), {"onnx": ControlDouble("3.jpg")}, 8)  # type: ignore[dict-item]
    assert [each.name for each in found.left_out] == ["x.jpg", "3.jpg"]


@pytest.mark.parametrize(("most", "largest"), [(128, AT_ONCE), (2, 2)])
def test_photos_are_asked_about_together_and_one_by_one_only_where_some_are_refused(most: int, largest: int) -> None:
    clean, strict = ControlDouble(), ControlDouble("3.jpg")
    ask(most, clean=clean, strict=strict)
    assert sum(clean.asked) == 20
    assert max(clean.asked) == largest
    assert sum(strict.asked) == 20 + largest


def test_a_backend_that_refuses_everything_is_not_the_photos_fault() -> None:
    broken = ControlDouble(*(photo.name for photo in PHOTOS.photos))
    found = ask(broken=broken, onnx=ControlDouble("3.jpg"))
    assert [each.name for each in found.left_out] == ["3.jpg"]


@pytest.mark.parametrize("status", [429, 503, 504])
def test_a_busy_backend_says_nothing_of_a_photo(status: int) -> None:
    assert ask(onnx=ControlDouble("3.jpg", status=status)).left_out == ()


def test_a_backend_that_stops_answering_loses_no_photos() -> None:
    def gone(asked: set[str]) -> None:
        if "12.jpg" in asked:
            raise ConnectionResetError("gone")

    found = ask(onnx=ControlDouble("3.jpg", answer=gone))
    assert [each.name for each in found.left_out] == ["3.jpg"]


def test_backends_that_refuse_each_other_s_photos_have_none_to_be_compared_by() -> None:
    halves = [[photo.name for photo in PHOTOS.photos[i::2]] for i in range(2)]
    with pytest.raises(BenchError, match=r"no photo is embedded by every backend: 0\.jpg: a answered 400"):
        ask(a=ControlDouble(*halves[0]), b=ControlDouble(*halves[1]))
