"""The result of a run: everything that was measured, enough to draw every figure again.

Schema version 1. Times carry their unit in the name; times of day are UTC, ISO 8601. What is not known is null.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.errors import BenchError
from bench.machine import Machine
from bench.parity import Parity
from bench.scenarios import Scenario
from bench.targets import Target
from bench.verdicts import Summary
from bench.windows import Window

FILE = "result.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunSettings(_Record):
    """What the run was asked to do; `rounds` were planned, the result tells how many are complete."""

    quick: bool
    seed: int
    rounds: int
    min_requests: int
    window_s: float | None
    quick_budget_s: float | None
    timeout_s: float
    ready_url: str


class Photos(_Record):
    """The photos that were sent: where from, how many there were and were used, and the size of the files used."""

    folder: str
    found: int
    used: int
    bytes: int
    names: tuple[str, ...]


class Result(_Record):
    """One run of the benchmark.

    Attributes:
        interrupted: True when the run was stopped; the complete rounds are here.
        complete_rounds: rounds in which every point was measured.
        model: the model block of `/ready`, as it was.
        backends: every backend that `/ready` named, measured or not.
        parity_before, parity_after: the spot checks; the second is empty after an interruption.
        summary: what follows from the windows.
    """

    schema_version: Literal[1] = 1
    started: str
    finished: str
    command: str
    interrupted: bool
    complete_rounds: int
    machine: Machine
    model: dict[str, Any]
    settings: RunSettings
    photos: Photos
    backends: tuple[Target, ...]
    scenarios: tuple[Scenario, ...]
    parity_before: tuple[Parity, ...]
    parity_after: tuple[Parity, ...]
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
        return Result.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchError(f"{path} cannot be read ({error.strerror}); give the folder of a finished run") from error
    except ValidationError as error:
        raise BenchError(f"{path} is not a result of schema version 1: {error.errors()[0]['msg']}") from error
