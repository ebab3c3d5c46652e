"""The result of a run, as far as a choice may rest on it: what was decided, and of which machine and model that is true.

`bench` writes it and imports what is here, so this reads the file itself, and of it only what follows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from server.hardware import gpus, processor
from server.home import ROOT
from server.logs import one_line
from server.setting_types import BackendName
from server.settings import Settings

FILE = "result.json"

SAME_MODEL = ("name", "weights_sha256", "precision", "device", "apply_exif_orientation")
"""What `/ready` says of the model that changes speed or embeddings."""

Line = Annotated[str, AfterValidator(one_line)]


class ResultProblem(ValueError):
    """A result is missing, unreadable, or no ground for a choice here; the message says why and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RunMachine(_Part):
    """The client's machine; that of the servers, too, where the run is `local`."""

    cpu: Line
    gpus: tuple[Line, ...]


class Decision(_Part):
    """What was decided for the goal that was asked for; no winner: nobody was sure enough to win."""

    winner: BackendName | None
    decision: Line


class Run(_Part):
    """A run of the benchmark, see `bench.result.Result`."""

    interrupted: bool
    machine: RunMachine
    local: bool
    server_gpus: tuple[Line, ...]
    model: dict[str, Any]
    summary: Decision

    @property
    def hardware(self) -> tuple[str, ...]:
        """What the servers computed on: their GPUs, or the processor; nothing where that is not known."""
        return self.server_gpus or (self.machine.gpus or (self.machine.cpu,) if self.local else ())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the result in a run's folder.

        Raises:
            ResultProblem: there is none.
        """
        path = folder / FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ResultProblem(f"{path} cannot be read ({error.strerror}); give the folder of a run") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise ResultProblem(f"{path} is no result that can be read here: {where}: {first['msg']}") from None


def newest(settings: Settings) -> Path:
    """Return the folder of the newest run, whether it was made by the page or at a console in the checkout.

    Raises:
        ResultProblem: there is none.
    """
    folders = (settings.home.results, ROOT / "results")
    found = [file.parent for folder in folders for file in folder.glob(f"*/{FILE}")]
    if not found:
        raise ResultProblem("there is no result yet; run `bakeoff bench` first, or name the backend to keep")
    return max(found, key=lambda folder: folder.name)


def here() -> tuple[str, ...]:
    """Return what servers on this machine compute on, as `Run.hardware` names it."""
    return tuple(gpu.name for gpu in gpus()) or (processor(),)


def check(run: Run, name: str, hardware: tuple[str, ...], model: Mapping[str, Any]) -> None:
    """See that a result says something about a stack.

    Args:
        run: the result.
        name: of its folder.
        hardware: what the stack computes on; empty where that is not known.
        model: the stack's, as in the readiness document.

    Raises:
        ResultProblem: it was measured on another machine, or with another model.
    """
    if run.hardware and hardware and run.hardware != hardware:
        there, now = (", ".join(each) for each in (run.hardware, hardware))
        raise ResultProblem(f"{name} was measured on {there}, and the stack runs on {now}; run `bakeoff bench` there")
    for key in SAME_MODEL:
        if key in run.model and key in model and run.model[key] != model[key]:
            was, now = _short(run.model[key]), _short(model[key])
            raise ResultProblem(
                f"{name} was measured with another model: {key} was {was} and is {now}; run `bakeoff bench` again"
            )


def winner(run: Run, name: str) -> BackendName:
    """Return the backend that a run recommends.

    Raises:
        ResultProblem: it is not finished, or names no winner.
    """
    if run.interrupted:
        raise ResultProblem(
            f"{name} was interrupted or is still being measured; finish it with `bakeoff bench --resume`, or name a backend"
        )
    if run.summary.winner is None:
        raise ResultProblem(f"{name} names no winner ({run.summary.decision.rstrip('.')}); name the backend to keep")
    return run.summary.winner


def _short(value: Any) -> str:
    text = one_line(str(value))
    return text if len(text) <= 16 else f"{text[:12]}..."
