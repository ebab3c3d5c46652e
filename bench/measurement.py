"""The measurement itself: spot checks, warm-up, the client's own limits, and windows in rounds."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bench import parity, search
from bench.client.connections import Embeddings
from bench.errors import BenchError
from bench.null_points import measure as measure_null
from bench.one_window import Windows
from bench.options import BenchOptions
from bench.pace import Pace, search_s
from bench.photos import PhotoSet
from bench.progress import RunProgress
from bench.result import NullPoint, Skipped
from bench.rounds import STABLE_ROUNDS, STABLE_WITHIN
from bench.scenarios import INPUTS, Scenario
from bench.schedule import Slot, schedule
from bench.table import sweep
from bench.targets import Stack
from bench.windows import Window

WARM_UP_S, WARM_UP_WINDOWS, WARM_UP_MOST_S = 0.1, 5, 0.8
"""Length of the windows before the first round, most of them, and the time after which no more is begun."""

REPORT_S = 4.0
"""Kept free for conclusions and the report."""

TOO_LONG = 1.25
"""Times the budget's rest from which on a person is told."""

PROOF_SHARE = 0.15
"""Most of the time budget that goes into the long windows of `server` in the last round."""


class Measurement:
    """One run's measurement, and what it has found so far; it stays usable when it is interrupted.

    Attributes:
        points: by scenario, the backends that it is measured on.
        windows: the windows of all rounds, of an interrupted one too; see `complete_windows`.
        before, after: the spot checks.
        null: what the client reaches against the null server.
        skipped: what was left out.
        complete_rounds: rounds in which every point was measured.
        interrupted: True after Ctrl-C, or an error.
        error: what ended the rounds early, other than Ctrl-C; None when nothing did.
        window_s: length of the windows of the last round that was planned.
    """

    def __init__(
        self,
        options: BenchOptions,
        stack: Stack,
        measuring: Windows,
        photos: PhotoSet,
        points: Mapping[Scenario, Sequence[str]],
        began: float,
    ) -> None:
        """Plan to measure `points`; `began` is when the run did (monotonic)."""
        self.options = options
        self.stack = stack
        self.measuring = measuring
        self.photos = photos
        self.points = dict(points)
        self.began = began
        self.windows: list[Window] = []
        self.before: list[parity.Parity] = []
        self.after: list[parity.Parity] = []
        self.null: list[NullPoint] = []
        self.skipped: list[Skipped] = []
        self.complete_rounds = 0
        self.interrupted = False
        self.error: Exception | None = None
        self.window_s = 0.0
        self.pace = Pace()
        self._spot_check_s = 0.0
        self._first_round = 0
        self._stair: dict[tuple[Scenario, str], int] = {}

    def resume(self, windows: Sequence[Window], complete_rounds: int, before: Sequence[parity.Parity]) -> None:
        """Take up an earlier run with its windows; its first spot check stays the first."""
        self.windows = list(windows)
        self.complete_rounds = complete_rounds
        self.before = list(before)

    def complete_windows(self) -> tuple[Window, ...]:
        """Return the windows of the complete rounds."""
        return tuple(window for window in self.windows if window.round <= self.complete_rounds)

    def measure(self, progress: RunProgress, checkpoint: Callable[[], None]) -> None:
        """Run all of it, until the end, Ctrl-C or an error; `checkpoint` is called after every round.

        Raises:
            Exception: whatever goes wrong before a round is complete. What goes wrong later is `error`.
        """
        resumed = self.complete_rounds > 0
        self._first_round = self.complete_rounds
        try:
            self._prepare(progress, resumed)
            plan = schedule(self.points, self.options.rounds, self.options.seed)
            for number in range(self.complete_rounds, len(plan)):
                self._round(plan, number, progress)
                self.complete_rounds = number + 1
                checkpoint()
            progress.step("comparing the embeddings once more")
            self.after = self._spot_check()
        except (KeyboardInterrupt, Exception) as error:
            self.interrupted = True
            if isinstance(error, Exception):
                if not self.complete_rounds:
                    raise
                self.error = error
            kept = f"{self.complete_rounds} of {self.options.rounds} rounds are complete and kept"
            why = f" by {described(self.error)}" if self.error else ""
            progress.note(
                f"interrupted{why}: {kept}" if self.complete_rounds else "interrupted before the first round ended"
            )

    def _prepare(self, progress: RunProgress, resumed: bool) -> None:
        progress.step(f"comparing the embeddings of {', '.join(self.measuring.controls)}")
        start = time.monotonic()
        checked = self._spot_check()
        self.before = self.before or checked
        self._spot_check_s = time.monotonic() - start
        if all(each.reason and each.error is None and each.cosine is None for each in checked):
            raise BenchError(f"no backend embeds these photos: {checked[0].reason}")
        progress.step("warming up")
        extremes = [curve[-1] for curve in sweep(list(self.points)).values()]
        self._warm_up(extremes, progress, thorough=True)
        if not resumed:
            self._thin()
        self._warm_up(self.points, progress, thorough=False)
        progress.step("measuring the client against a server that computes nothing")
        self.null = measure_null(self.measuring, self.points)

    def _thin(self) -> None:
        remaining = self._remaining_s() - self._pending_warm_up_s()
        kept = self.pace.thin(self.points, self.options.rounds, remaining)
        reason = f"does not fit into the time budget of {self.options.budget_s:g} s; give more with --time-budget"
        self.skipped += [Skipped(what=each.title, reason=reason) for each in self.points if each not in kept]
        self.points = kept

    def _pending_warm_up_s(self) -> float:
        pending = [(each, name) for each, names in self.points.items() for name in names]
        return sum(self.pace.window_s(*point, WARM_UP_S) for point in pending if not self.pace.knows(*point))

    def _warm_up(
        self, chosen: Sequence[Scenario] | Mapping[Scenario, object], progress: RunProgress, thorough: bool
    ) -> None:
        for scenario in chosen:
            for name in self.points[scenario]:
                if self.pace.knows(scenario, name):
                    continue
                progress.window(f"warming up: {name}, {scenario.title}", None)
                self._warm_up_point(scenario, name, WARM_UP_WINDOWS if thorough else 1)

    def _warm_up_point(self, scenario: Scenario, name: str, most: int) -> None:
        """Load a point until three windows in a row agree, a number of windows, or a time."""
        load = scenario if scenario.in_flight else scenario.model_copy(update={"in_flight": 8})
        speeds: list[float] = []
        began = time.monotonic()
        while len(speeds) < most and time.monotonic() - began < WARM_UP_MOST_S and not _agree(speeds):
            start = time.monotonic()
            window = self.measuring.measure(load, name, 0, len(speeds), WARM_UP_S)
            speeds.append(window.images_per_s)
            window = window.model_copy(update={"scenario": scenario})
            self.pace.learn(window, time.monotonic() - start, WARM_UP_S)
        if scenario.in_flight is None and speeds[-1] > 0:
            self._stair[scenario, name] = search.on_grid(search.BEGIN * speeds[-1])
            self.pace.per_s[scenario, name] = search.BEGIN * speeds[-1]

    def _round(self, plan: list[list[Slot]], number: int, progress: RunProgress) -> None:
        later = [slot for slots in plan[number:] for slot in slots]
        self.window_s = self.pace.fitting_s(self._remaining_s() - self._proofs_s(), later)
        left = self.pace.total_s(later, self.window_s)
        title = f"round {number + 1}/{len(plan)}"
        if number == self._first_round and left > TOO_LONG * max(1.0, self._remaining_s()):
            progress.note(
                f"the time budget of {self.options.budget_s:g} s is too short for this: it takes {left:.0f} s more"
            )
        progress.step(
            f"{title}: windows of {self.window_s:.2g} s, about {left + self._spot_check_s + REPORT_S:.0f} s left"
        )
        for position, slot in enumerate(plan[number]):
            rest = [*plan[number][position:], *(each for slots in plan[number + 1 :] for each in slots)]
            progress.window(f"{title}: {slot.backend}, {slot.scenario.title}", self.pace.total_s(rest, self.window_s))
            serial = ((number + 1) * 1000 + list(self.points).index(slot.scenario)) * 10
            if slot.scenario.in_flight is None:
                self._search(slot, serial, number + 1 == len(plan), progress)
            else:
                window = self._measure(slot, serial, self.window_s)
                progress.finished(window)

    def _measure(
        self, slot: Slot, serial: int, seconds: float, per_s: float | None = None, step: int = 1, learn: bool = True
    ) -> Window:
        start = time.monotonic()
        window = self.measuring.measure(slot.scenario, slot.backend, slot.round + 1, serial, seconds, per_s, step)
        if learn:
            self.pace.learn(window, time.monotonic() - start, seconds)
        self.windows.append(window)
        return window

    def _search(self, slot: Slot, serial: int, last: bool, progress: RunProgress) -> None:
        point = (slot.scenario, slot.backend)
        earlier = self._own(*point)
        if earlier:
            begin = search.on_grid(search.round_rate([each for each in earlier if each.round == earlier[-1].round]))
        else:
            begin = self._stair.get(point, 0)
        tried: list[Window] = []
        for step in range(1, len(search.STAIRS) + 1):
            per_s = search.rate(search.next_rate(tried, begin))
            tried.append(self._measure(slot, serial + step, search_s(self.window_s, per_s), per_s, step))
        self.pace.per_s[point] = search.round_rate(tried)
        if last:
            self._prove(slot, serial, len(tried) + 1)
        progress.finished(tried[-1])

    def _prove(self, slot: Slot, serial: int, step: int) -> None:
        """Send as many requests at one rate as MLPerf's test takes, where the rounds together had too few."""
        own = self._own(slot.scenario, slot.backend)
        found = search.outcome(own, self.options.p99_ms)
        if found.status == "insufficient" and any(each.requests for each in own):
            per_s = search.rate(search.on_grid(search.counting_rate(own, found)) - 1)
            seconds = min(1.2 * found.needed / per_s, self._proof_s())
            self._measure(slot, serial + step, seconds, per_s, step, learn=False)

    def _proofs_s(self) -> float:
        return sum(
            min(self._proof_s(), 550 / search.rate(stair))
            for (scenario, name), stair in self._stair.items()
            if search.outcome(self._own(scenario, name), self.options.p99_ms).status == "insufficient"
        )

    def _proof_s(self) -> float:
        searches = sum(len(names) for scenario, names in self.points.items() if scenario.in_flight is None)
        return PROOF_SHARE * self.options.budget_s / max(1, searches)

    def _own(self, scenario: Scenario, backend: str) -> list[Window]:
        return [each for each in self.windows if each.scenario == scenario and each.backend == backend]

    def _remaining_s(self) -> float:
        return self.options.budget_s - (time.monotonic() - self.began) - self._spot_check_s - REPORT_S

    def _spot_check(self) -> list[parity.Parity]:
        found: list[parity.Parity] = []
        count = min(parity.SPOT_CHECK_PHOTOS, len(self.photos.photos), self.stack.max_batch_size)
        bounds = {target.name: target.parity_bounds for target in self.stack.ready}
        for kind in INPUTS:
            answers: dict[str, Embeddings | str] = {}
            for name, control in self.measuring.controls.items():
                try:
                    answers[name] = control.embed(kind, self.photos.rotation(0, count))
                except Exception as error:  # a backend that refuses here is reported, and measured as failing
                    answers[name] = " ".join(str(error).split()) or type(error).__name__
            found += parity.compare(answers, kind, {name: each.get(kind) for name, each in bounds.items()})
        return found


def described(error: Exception) -> str:
    """Return an error in one line: its words, and what it is where they are not the benchmark's own."""
    words = " ".join(str(error).split())
    return words if isinstance(error, BenchError) else f"{type(error).__name__}: {words}"


def _agree(speeds: Sequence[float]) -> bool:
    last = np.asarray(speeds[-STABLE_ROUNDS:])
    return len(last) == STABLE_ROUNDS and bool((np.abs(last - last.mean()) <= STABLE_WITHIN * last.mean()).all())
