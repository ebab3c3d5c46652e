"""Puts a run's result together, after every round."""

import hashlib
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.fairness import Fairness
from bench.machine import Machine, this_machine
from bench.measurement import Measurement
from bench.null_points import shape
from bench.one_window import MIN_REQUESTS, iso
from bench.options import BenchOptions
from bench.photos import PhotoSet
from bench.result import Photos, Result, RunSettings, Startup
from bench.rounds import Basis
from bench.summary import summarise
from bench.targets import Stack, is_local, server_gpus
from server.files import printable

KEY_OPTION = "--api-key"


class Document:
    """What is known of a run, apart from its windows, and the result of both."""

    def __init__(
        self,
        options: BenchOptions,
        stack: Stack,
        fairness: Fairness,
        photos: PhotoSet,
        run: Measurement,
        started: datetime,
        earlier: Result | None,
    ) -> None:
        """Begin with what is known before the measurement; `earlier` is the run that this one goes on with."""
        self.options = options
        self.stack = stack
        self.fairness = fairness
        self.startup: tuple[Startup, ...] = earlier.startup if earlier else ()
        self.wan: dict[str, Any] | None = None
        self.started = earlier.started if earlier else iso(started)
        self._photos = photos
        self._run = run
        self._resumed = earlier.resumed + 1 if earlier else 0

    def result(self, finished: bool) -> Result:
        """Return the result so far; at least one round must be complete."""
        run, options = self._run, self.options
        windows = run.complete_windows()
        basis = Basis(
            seed=options.seed,
            disagreeing={each.backend for each in (*run.before, *run.after) if each.agrees is False},
            null_images_per_s={shape(each): each.images_per_s for each in run.null},
            p99_ms=options.p99_ms,
            price_per_hour=options.price_per_hour,
        )
        return Result(
            started=self.started,
            finished=iso(datetime.now(UTC)),
            command=options.command or command_line(sys.argv),
            interrupted=not finished,
            resumed=self._resumed,
            complete_rounds=run.complete_rounds,
            machine=self._machine,
            local=is_local(options.addresses.ready_url),
            server_gpus=self._server_gpus,
            model=self.stack.model,
            settings=self.settings(),
            photos=self.photos_record(),
            backends=self.stack.targets,
            fairness=self.fairness,
            scenarios=tuple(run.points),
            parity_before=tuple(run.before),
            parity_after=tuple(run.after),
            null_server=tuple(run.null),
            startup=self.startup,
            wan=self.wan,
            skipped=tuple(run.skipped),
            windows=windows,
            summary=summarise(windows, run.points, options.goal, basis, self.fairness.unfair),
        )

    def settings(self) -> RunSettings:
        """Return what the run is asked to do."""
        options = self.options
        return RunSettings(
            quick=options.quick,
            seed=options.seed,
            rounds=options.rounds,
            scenarios=options.measured_kinds,
            time_budget_s=options.budget_s,
            window_s=round(self._run.window_s, 4),
            min_requests=MIN_REQUESTS,
            p99_ms=options.p99_ms,
            goal=options.goal,
            price_per_hour=options.price_per_hour,
            timeout_s=options.timeout_s,
            ready_url=options.addresses.ready_url,
        )

    def photos_record(self) -> Photos:
        """Return what the photos are."""
        used, digest = self._photos.photos, hashlib.sha256()
        for photo in used:
            digest.update(photo.data)
        return Photos(
            folder=printable(self.options.photos),
            found=self._photos.found,
            used=len(used),
            bytes=sum(len(photo.data) for photo in used),
            sha256=digest.hexdigest(),
            names=tuple(photo.name for photo in used),
            left_out=self._photos.left_out,
        )

    @cached_property
    def _server_gpus(self) -> tuple[str, ...]:
        return server_gpus(self.options.addresses)

    @cached_property
    def _machine(self) -> Machine:
        return this_machine()


def command_line(words: Sequence[str]) -> str:
    """Return a command line as it may be shown: without the key."""
    shown, hide = [Path(words[0]).name], False
    for word in words[1:]:
        name, equals, _ = word.partition("=")
        shown.append("HIDDEN" if hide else f"{name}=HIDDEN" if equals and name == KEY_OPTION else word)
        hide = word == KEY_OPTION
    return printable(shlex.join(shown))
