"""Which requests may wait: engines of a known pace on a clock of the test's own, and what admission makes of them."""

from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.pytorch.admission import EVIDENCE_SHARE, LOOK_EVERY_S, MARGIN, WINDOW_SHARE, Admission

TICK_S = 0.05
NO_LIMIT = 10**9


@dataclass
class Simulated:
    """Engines that take a batch together, compute it, and take the next, and the admission in front of them.

    Attributes:
        pace: images a second.
        batch: images computed at once.
        waited_s: of each request that was answered, from its arrival.
        refused: expected waits, by the true pace, of the requests that were refused.
    """

    pace: float
    batch: int
    deadline_s: float
    most: int = NO_LIMIT
    now_s: float = 0.0
    embedded: int = 0
    waited_s: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.admission = Admission(most=self.most, at_once=self.batch, deadline_s=self.deadline_s)
        self._queue: deque[tuple[float, int]] = deque()
        self._computing = self._progress = 0
        self._free_at_s = 0.0
        self._look_at_s = 0.0
        self.stalled_until_s = 0.0
        self.outstanding = 0

    def ask(self, images: int = 1) -> bool:
        if self.admission.refusal(self.outstanding, images):
            self.refused.append((self.outstanding + images) / self.pace)
            return False
        self._queue.append((self.now_s, images))
        self.outstanding += images
        return True

    def tick(self) -> None:
        self.now_s += TICK_S
        while self.now_s >= max(self._free_at_s, self.stalled_until_s) and (self._computing or self._queue):
            ended_s = max(self._free_at_s, self.stalled_until_s)
            began_s = ended_s if self._computing else self.now_s
            self._end_batch(ended_s)
            self._computing = min(self.batch, self.outstanding - self._progress)
            self._free_at_s = began_s + self._computing / self.pace
        if self.now_s >= self._look_at_s:
            self.admission.look(self.now_s, self.outstanding, self.embedded)
            self._look_at_s += LOOK_EVERY_S

    def _end_batch(self, at_s: float) -> None:
        """Split requests over batches, as engines do; a request is answered with its last image."""
        self.embedded += self._computing
        self._progress += self._computing
        while self._queue and self._queue[0][1] <= self._progress:
            asked_s, images = self._queue.popleft()
            self._progress -= images
            self.outstanding -= images
            self.waited_s.append(at_s - asked_s)

    def run(self, seconds: float, per_s: float = 0.0, images: int = 1) -> None:
        """Let `per_s` requests a second arrive, evenly, for a while."""
        due = 0.0
        for _ in range(round(seconds / TICK_S)):
            due += per_s * TICK_S
            while due >= 1:
                due -= 1
                self.ask(images)
            self.tick()

    def closed(self, clients: int, seconds: float) -> None:
        """Let `clients` each have one request of one image in flight."""
        for _ in range(round(seconds / TICK_S)):
            for _ in range(clients - self.outstanding):
                self.ask()
            self.tick()


deadlines = st.floats(10, 60)
paces = st.floats(5, 50)
simulated = settings(max_examples=40, deadline=None)


@simulated
@given(
    deadlines,
    paces,
    st.lists(st.tuples(st.integers(1, 400), st.integers(1, 40), st.floats(0, 20)), min_size=1, max_size=8),
)
def test_nothing_is_refused_that_fits_the_deadline_with_its_margin(
    deadline_s: float, pace: float, bursts: list[tuple[int, int, float]]
) -> None:
    """Bursts of requests of some images each, with pauses between, of any size: a lone one, and more than can be answered."""
    one = Simulated(pace, 16, deadline_s)
    for requests, images, pause_s in bursts:
        for _ in range(requests):
            one.ask(images)
        one.run(pause_s)
    assert all(wait_s > deadline_s / MARGIN for wait_s in one.refused)


@simulated
@given(deadlines, paces, st.floats(1.2, 5))
def test_under_lasting_overload_what_is_accepted_is_answered_before_the_deadline(
    deadline_s: float, pace: float, times: float
) -> None:
    batch = max(1, min(16, int(pace * deadline_s * 0.02)))  # one that takes no large part of the deadline
    one = Simulated(pace, batch, deadline_s)
    one.run(3 * deadline_s, per_s=times * pace)
    assert one.refused
    assert max(one.waited_s) < deadline_s
    assert one.embedded >= 0.95 * pace * 3 * deadline_s - 2 * batch, "the engines never ran out of work"


@simulated
@given(deadlines, paces)
def test_a_queue_that_gets_nowhere_is_not_made_longer(deadline_s: float, pace: float) -> None:
    one = Simulated(pace, 16, deadline_s)
    one.stalled_until_s = 10 * deadline_s
    one.run(deadline_s, per_s=200 / deadline_s)
    before = one.outstanding
    one.run(2 * deadline_s, per_s=1)
    assert one.outstanding == before


@simulated
@given(deadlines, paces)
def test_after_a_pause_nothing_is_refused_whatever_was_before(deadline_s: float, pace: float) -> None:
    one = Simulated(pace, 16, deadline_s)
    one.run(deadline_s, per_s=3 * pace)
    one.pace *= 100  # the engines get through what they have
    while one.outstanding:
        one.run(1)
    one.pace = pace
    one.run(EVIDENCE_SHARE * deadline_s + 2 * LOOK_EVERY_S + TICK_S)
    one.refused.clear()
    assert all(one.ask() for _ in range(1000))


@pytest.mark.parametrize("pace", [4, 20, 100])
@pytest.mark.parametrize("pause_s", [0, 3, 60])
@pytest.mark.parametrize("stall_s", [0, 2])
def test_64_clients_are_not_refused_after_a_pause_or_a_stall(pace: float, pause_s: float, stall_s: float) -> None:
    """The latest answer took seconds, and says nothing of the next."""
    one = Simulated(pace, 16, 60)
    one.ask()
    one.run(2)
    one.run(pause_s)
    one.stalled_until_s = one.now_s + stall_s
    one.closed(64, 30)
    one.stalled_until_s = one.now_s + stall_s
    one.closed(64, 30)
    assert one.refused == []


@simulated
@given(st.floats(20, 50), st.floats(0.2, 1))
def test_a_change_of_pace_is_known_after_the_window(pace: float, share: float) -> None:
    """Of precision, or of what else the machine has to do."""
    one = Simulated(pace, 16, 60)
    one.run(60, per_s=2 * pace)
    one.pace = pace * share
    one.run(60, per_s=2 * pace)
    assert one.admission.pace == pytest.approx(pace * share, rel=0.1, abs=2 * 16 / (WINDOW_SHARE * 60))


def test_many_images_elsewhere_and_a_lone_answer_lock_nobody_out() -> None:
    admission = Admission(most=2000, at_once=16, deadline_s=60)
    admission.look(0.0, 800, 0)
    admission.look(0.25, 801, 1)  # it took 40 ms
    assert not any(admission.refusal(800 + number, 1) for number in range(1000))


def test_a_refusal_says_how_many_wait_and_how_long() -> None:
    admission = Admission(most=100, at_once=2, deadline_s=10)
    assert "100 may (MAX_QUEUE_IMAGES" in str(admission.refusal(99, 2))
    for second in range(5):
        admission.look(float(second), 50, second)
    assert str(admission.refusal(50, 1)).startswith(
        "50 images are waiting already, so an answer would take about 34.0 s"
    )
    assert admission.refusal(0, 10**6) is None
    assert admission.refusal(1, 1) is None
