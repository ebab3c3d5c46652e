import numpy as np
import pytest

from bench.parity import compare, relative_error


def corners(n: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    return np.eye(n, 512, dtype=np.float32)


def test_the_error_is_the_largest_distance_relative_to_the_median_spread() -> None:
    reference = corners(4)  # any two are sqrt(2) apart
    moved = reference.copy()
    moved[2, 9] = 0.1
    moved[3, 9] = 0.05
    assert relative_error(moved, reference) == pytest.approx(0.1 / np.sqrt(2))


def test_photos_without_spread_tell_nothing() -> None:
    assert relative_error(corners(1), corners(1)) is None
    same = np.repeat(corners(1), 3, axis=0)
    assert relative_error(same, same) is None


def test_backends_are_held_to_the_sum_of_their_bounds() -> None:
    reference, near, far = corners(3), corners(3), corners(3)
    near[0, 9], far[0, 9] = 0.0027, 0.0030  # 0.0019 and 0.0021 of the spread
    found = compare({"a": reference, "b": near, "c": far}, "pixels", {"a": 0.001, "b": 0.001, "c": 0.001})
    assert [each.agrees for each in found] == [True, True, False]
    assert {each.reference for each in found} == {"a"}


def test_a_backend_that_gave_no_embeddings_is_not_said_to_agree() -> None:
    found = compare({"a": corners(2), "b": "refused"}, "encoded", {"a": 0.001, "b": 0.001})
    assert (found[1].agrees, found[1].reason) == (None, "refused")
    found = compare({"a": "refused", "b": corners(2)}, "encoded", {"a": 0.001, "b": 0.001})
    assert [each.agrees for each in found] == [None, None]
