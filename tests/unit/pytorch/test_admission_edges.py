"""From when a pace is known, what of it counts, and when it is forgotten, to the second."""

import pytest

from server.pytorch.admission import Admission

AT_ONCE = 16
DEADLINE_S = 20.0
"""So a wait may be 10 s, the pace is a mean of 10 s, and known after 2."""


def shown(*looks: tuple[float, int, int]) -> Admission:
    """Return an admission that was shown the time, what is outstanding and what was embedded."""
    admission = Admission(most=10_000, at_once=AT_ONCE, deadline_s=DEADLINE_S)
    for look in looks:
        admission.look(*look)
    return admission


def test_as_much_as_is_computed_at_once_is_busy_and_two_seconds_of_it_make_a_pace() -> None:
    looks = [(0.0, AT_ONCE, 0), (1.0, AT_ONCE, 100), (2.0, AT_ONCE, 200)]
    assert shown(*looks[:2]).pace is None
    assert shown(*looks).pace == (200 + AT_ONCE) / 2


def test_of_the_interval_in_which_the_queue_ended_only_the_images_count() -> None:
    assert shown((0.0, 16, 0), (2.0, 16, 200), (3.0, 5, 250)).pace == (250 + AT_ONCE) / 2


def test_a_pace_is_forgotten_after_two_seconds_without_a_queue() -> None:
    looks = [(0.0, 16, 0), (2.0, 16, 200), (3.0, 5, 250), (4.9, 5, 300), (5.0, 5, 300)]
    assert shown(*looks[:4]).pace == (250 + AT_ONCE) / 2
    assert shown(*looks).pace is None


def test_what_ended_ten_seconds_ago_counts_no_more() -> None:
    looks = [(float(second), AT_ONCE, 0 if second == 0 else 900 + 100 * second) for second in range(12)]
    assert shown(*looks[:11]).pace == (1900 + AT_ONCE) / 10
    assert shown(*looks).pace == (1000 + AT_ONCE) / 10


@pytest.mark.parametrize(
    ("outstanding", "images", "refused"), [(16, 1064, False), (16, 1065, True), (15, 1066, False), (0, 2000, False)]
)
def test_what_would_wait_for_more_than_half_the_deadline_is_refused(
    outstanding: int, images: int, refused: bool
) -> None:
    admission = shown((0.0, 16, 0), (2.0, 16, 200))  # 108 images a second
    assert (admission.refusal(outstanding, images) is not None) is refused
