"""The result of a run: everything that was measured, enough to draw every figure again.

Schema version 2, described in `docs/result-schema.md`. Times carry their unit in the name; times of day are UTC, ISO 8601.
What is not known is null.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from bench.errors import BenchError
from bench.fairness import Fairness
from bench.goals import Goal
from bench.machine import Machine
from bench.parity import Parity
from bench.photos import LeftOut
from bench.records import Record
from bench.scenarios import Input, Scenario, Transport
from bench.summary import Summary
from bench.targets import Target
from bench.windows import Window

FILE = "result.json"
VERSION = 2


class RunSettings(Record):
    """What the run was asked to do. A resumed run has to be asked the same.

    Attributes:
        quick: the short form: fewer scenarios.
        seed: of the order of the windows, the arrivals, and the resampling.
        rounds: that were planned; the result tells how many are complete.
        scenarios: the kinds that were asked for.
        time_budget_s: seconds that the whole run was to fit into.
        window_s: length of a window, as it followed from the budget.
        min_requests: fewest requests in a window, however slow they are.
        p99_ms: the latency bound of the `server` scenario.
        price_per_hour: of the machine; None when not given.
        timeout_s: after which an unanswered request counts as failed.
        ready_url: where the stack was asked.
    """

    quick: bool
    seed: int
    rounds: int
    scenarios: tuple[str, ...]
    time_budget_s: float
    window_s: float
    min_requests: int
    p99_ms: float
    goal: Goal
    price_per_hour: float | None
    timeout_s: float
    ready_url: str


class Photos(Record):
    """The photos that were sent.

    Attributes:
        folder, names: where from, and those that were used.
        found, used: how many there were, and were used.
        bytes: size of the files used.
        sha256: of the used files, one after the other.
        left_out: files that could not be read, or that a backend refused.
    """

    folder: str
    found: int
    used: int
    bytes: int
    sha256: str
    names: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()


class NullPoint(Record):
    """What the same client reaches against a server that computes nothing: the client's own limit for one load."""

    input: Input
    transport: Transport
    batch: int
    in_flight: int
    images_per_s: float
    p50_ms: float | None
    client_cores: float


class Skipped(Record):
    """A scenario, or a kind of scenarios, that was asked for and not measured, and why."""

    what: str
    reason: str


class Startup(Record):
    """How long one backend took to be ready.

    Attributes:
        ready_s: from its start to ready, as the stack's `/ready` has it.
        timings_s: those seconds by step (`starting`, `loading`, `compiling`, `warming`, `verifying`).
        compile_s: of these, compiling; 0 where the backend compiles nothing.
        cold_s, warm_s: measured by starting it: without anything kept, and with what the first start left; None where
            that was not measured.
    """

    backend: str
    ready_s: float | None
    timings_s: dict[str, float]
    compile_s: float
    cold_s: float | None = None
    warm_s: float | None = None


class Result(Record):
    """One run of the benchmark.

    Attributes:
        caution: what a reader must know before any figure, such as what would turn the outcome; None where nothing is known.
        interrupted: True while the run is not finished: it was stopped, or is still going on.
        resumed: how many times it was taken up again.
        complete_rounds: rounds in which every point was measured.
        machine: that the client ran on; the servers' too where `local`.
        local: whether the servers were on the client's machine.
        server_gpus: the GPUs that the servers name; empty without any.
        model: the model block of `/ready`, as it was.
        backends: every backend that `/ready` named, measured or not.
        fairness: the settings read back from each measured backend, and the differences.
        parity_before, parity_after: the spot checks; the second is empty after an interruption.
        null_server: the client's own limits.
        startup: empty where it was not asked for.
        wan: the link's properties (`round_trip_ms`, `uplink_mbit_s`, `how`); None where it was not measured.
        skipped: what was asked for and not measured.
        windows: of the complete rounds, in the order in which they were measured.
        summary: what follows from the windows.
    """

    schema_version: Literal[2] = 2
    caution: str | None = None
    started: str
    finished: str
    command: str
    interrupted: bool
    resumed: int = 0
    complete_rounds: int
    machine: Machine
    local: bool
    server_gpus: tuple[str, ...]
    model: dict[str, Any]
    settings: RunSettings
    photos: Photos
    backends: tuple[Target, ...]
    fairness: Fairness
    scenarios: tuple[Scenario, ...]
    parity_before: tuple[Parity, ...]
    parity_after: tuple[Parity, ...]
    null_server: tuple[NullPoint, ...]
    startup: tuple[Startup, ...]
    wan: dict[str, Any] | None
    skipped: tuple[Skipped, ...]
    windows: tuple[Window, ...]
    summary: Summary

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of the backends that were measured, in the stack's order."""
        return tuple(target.name for target in self.backends if target.ready)


def load_result(folder: Path) -> Result:
    """Read the result in a run's folder.

    Raises:
        BenchError: there is none, or it is of another version.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}); give the folder of a run") from error
    try:
        return Result.model_validate_json(text)
    except ValidationError as error:
        found = _version(text)
        if found is not None and found != VERSION:
            message = f"{path} is a result of schema version {found}; this program reads {VERSION}: measure again"
            raise BenchError(message) from error
        where = ".".join(map(str, error.errors()[0]["loc"]))
        message = f"{path} is not a result of schema version {VERSION}: {where}: {error.errors()[0]['msg']}"
        raise BenchError(message) from error


def _version(text: str) -> Any:
    try:
        return json.loads(text).get("schema_version")
    except (ValueError, AttributeError):
        return None
