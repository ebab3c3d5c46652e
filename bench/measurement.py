"""The measurement itself: spot checks, warm-up, and windows in rounds."""

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from bench import parity
from bench.client import MODELS, Client, Request, check, request
from bench.errors import BenchError
from bench.load import Load, closed_loop
from bench.options import BenchOptions
from bench.photos import PhotoSet
from bench.progress import RunProgress
from bench.scenarios import Input, Scenario, scenarios
from bench.schedule import Slot, expected_window_s, fitting_window_s, schedule
from bench.splits import Counters, CountersResetError, Split, split_between
from bench.targets import Stack
from bench.windows import Window

WARM_UP_REQUESTS = 2
"""Requests of every point before the first round."""

SETTLE_S = 0.25
"""Longest wait for a server's counters to stand still."""

INPUTS: tuple[Input, ...] = ("encoded", "pixels")


class Measurement:
    """The measurement itself: warm-up, spot checks and windows."""

    """One run's measurement, and what it has found so far; it stays usable when it is interrupted.

    Attributes:
        windows: the windows of all rounds, of an interrupted one too; see `complete_windows`.
        before, after: the spot checks.
        complete_rounds: rounds in which every point was measured.
        interrupted: True after Ctrl-C.
    """

    def __init__(
        self, options: BenchOptions, stack: Stack, clients: Mapping[str, Client], photos: PhotoSet, began: float
    ) -> None:
        """Plan the measurement of `clients`, by name in the stack's order; `began` is when the run did (monotonic)."""
        self.options = options
        self.clients = clients
        self.photos = photos
        self.began = began
        self.bounds = {target.name: target.parity_bounds for target in stack.ready}
        self.scenarios = scenarios(stack.max_batch_size)
        self.spot_check_photos = min(parity.SPOT_CHECK_PHOTOS, len(photos.photos), stack.max_batch_size)
        self.plan = schedule(list(clients), self.scenarios, options.round_count, options.seed)
        self.windows: list[Window] = []
        self.before: list[parity.Parity] = []
        self.after: list[parity.Parity] = []
        self.complete_rounds = 0
        self.interrupted = False
        self.lead_in_s: dict[tuple[str, Input], float] = {}
        self.request_s: dict[tuple[Scenario, str], list[float]] = {}
        self.spot_check_s = 0.0

    @property
    def window_count(self) -> int:
        """Windows in all rounds."""
        return sum(len(slots) for slots in self.plan)

    def complete_windows(self) -> tuple[Window, ...]:
        """Return the windows of the complete rounds."""
        return tuple(window for window in self.windows if window.round <= self.complete_rounds)

    def measure(self, progress: RunProgress) -> None:
        """Run all of it, until the end or Ctrl-C.

        Raises:
            BenchError: no backend accepts the photos.
        """
        try:
            self._prepare(progress)
            for number, slots in enumerate(self.plan, start=1):
                self._round(slots, progress)
                self.complete_rounds = number
            progress.step("comparing the embeddings once more")
            self.after = self._spot_check()
        except KeyboardInterrupt:
            self.interrupted = True
            progress.note(f"interrupted: {self.complete_rounds} of {len(self.plan)} rounds are complete and kept")

    def _prepare(self, progress: RunProgress) -> None:
        progress.step(f"comparing the embeddings of {', '.join(self.clients)}")
        start = time.monotonic()
        self.before = self._spot_check()
        self.spot_check_s = time.monotonic() - start
        if all(each.reason and each.error is None and each.cosine is None for each in self.before):
            raise BenchError(f"no backend embeds these photos: {self.before[0].reason}")
        progress.step("warming up")
        for scenario in self.scenarios:
            for name in self.clients:
                load = self._load(scenario, name, 0, window_s=0, min_requests=WARM_UP_REQUESTS)
                # the first request of a kind may be slow for good reasons; the last one tells what the others will take
                self.request_s[scenario, name] = [load.latencies_ms[-1] / 1e3] if load.latencies_ms else []
                if scenario.batch == 1:
                    self.lead_in_s[name, scenario.input] = self._estimate_s(scenario, name)

    def _round(self, slots: list[Slot], progress: RunProgress) -> None:
        window_s = self._window_s(rounds=len(self.plan) - slots[0].round)
        progress.step(f"round {slots[0].round + 1}/{len(self.plan)}: about {self._left_s(slots, window_s):.0f} s left")
        for position, slot in enumerate(slots):
            progress.window(
                f"round {slot.round + 1}/{len(self.plan)}: {slot.backend}, {slot.scenario.title}",
                self._left_s(slots[position:], window_s),
            )
            window = self._window(slot, window_s)
            self.windows.append(window)
            self.request_s[slot.scenario, slot.backend] += [latency / 1e3 for latency in window.latencies_ms]
            progress.finished(f"{slot.backend}, {slot.scenario.title}: {window.images_per_s:.3g} images/s")

    def _estimate_s(self, scenario: Scenario, name: str) -> float:
        seen = self.request_s[scenario, name]
        return statistics.median(seen) if seen else 0.0

    def _window_s(self, rounds: int) -> float:
        """Return the length of the next round's windows; each round plans anew, with what was learnt so far."""
        if not self.options.quick:
            return self.options.window_s
        per_round_s = sum(
            self.lead_in_s[name, scenario.input] + 0.02 for scenario in self.scenarios for name in self.clients
        )
        remaining_s = self.options.quick_budget_s - (time.monotonic() - self.began) - self.spot_check_s
        estimates = [self._estimate_s(*point) for point in self.request_s]
        return fitting_window_s(remaining_s - rounds * per_round_s, rounds, estimates, self.options.min_requests)

    def _left_s(self, slots: list[Slot], window_s: float) -> float:
        slots = slots + [slot for later in self.plan[slots[0].round + 1 :] for slot in later]
        return self.spot_check_s + sum(
            self.lead_in_s[slot.backend, slot.scenario.input]
            + expected_window_s(window_s, self._estimate_s(slot.scenario, slot.backend), self.options.min_requests)
            for slot in slots
        )

    def _window(self, slot: Slot, window_s: float) -> Window:
        model = MODELS[slot.scenario.input]
        client = self.clients[slot.backend]
        first = slot.round * len(self.photos.photos) // len(self.plan)
        # One request wakes the backend up after the others' turns.
        lead_in = Scenario(input=slot.scenario.input, batch=1)
        self._load(lead_in, slot.backend, first, window_s=0, min_requests=1)
        before = _settled(client, model)
        started = iso(datetime.now(UTC))
        load = self._load(slot.scenario, slot.backend, first, window_s=window_s, min_requests=self.options.min_requests)
        split, invalid = _split(before, _settled(client, model), model)
        return Window(
            round=slot.round + 1,
            scenario=slot.scenario,
            backend=slot.backend,
            started=started,
            latencies_ms=tuple(round(latency, 4) for latency in load.latencies_ms),
            failures=load.failures,
            errors=tuple(load.errors),
            elapsed_s=round(load.elapsed_s, 6),
            building_s=round(load.building_s, 6),
            payload_bytes=load.payload_bytes,
            first_photo=first,
            split=split,
            invalid=invalid,
        )

    def _load(self, scenario: Scenario, name: str, first: int, *, window_s: float, min_requests: int) -> Load:
        def build(i: int) -> Request:
            return request(scenario.input, self.photos.rotation(first + i * scenario.batch, scenario.batch))

        with suppress(Exception):  # a backend that is gone shows as failed requests
            self.clients[name].wake()
        return closed_loop(self.clients[name].embed, build, window_s=window_s, min_requests=min_requests)

    def _spot_check(self) -> list[parity.Parity]:
        found: list[parity.Parity] = []
        for kind in INPUTS:
            asked = request(kind, self.photos.rotation(0, self.spot_check_photos))
            answers: dict[str, npt.NDArray[np.float32] | str] = {}
            for name, client in self.clients.items():
                try:
                    client.wake()
                    answers[name] = check(client.embed(asked), asked.batch)
                except Exception as error:  # a backend that refuses here is reported, and measured as failing
                    answers[name] = " ".join(str(error).split()) or type(error).__name__
            found += parity.compare(answers, kind, {name: each.get(kind) for name, each in self.bounds.items()})
        return found


def _settled(client: Client, model: str) -> dict[str, Counters] | None:
    """Read the counters once they stand still: a server may count a request a moment after it was answered."""
    try:
        last = client.counters(model)
        for _ in _for_seconds(SETTLE_S):
            time.sleep(0.003)
            now = client.counters(model)
            if now == last:
                break
            last = now
    except Exception:  # the split is an extra; a server without statistics is measured all the same
        return None
    return last


def _for_seconds(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def _split(
    before: dict[str, Counters] | None, after: dict[str, Counters] | None, model: str
) -> tuple[Split | None, str | None]:
    """Return the window's split, and why the window does not count, if so."""
    if before is None or after is None:
        return None, None
    try:
        return split_between(before, after, model), None
    except CountersResetError:
        return None, "the server was restarted during a window"


def iso(moment: datetime) -> str:
    """Return a UTC time as ISO 8601, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
