"""Checking a choice and writing it down: either all of it is right and the declaration is replaced, or nothing is changed."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field

from server import kept
from server.files import printable
from server.hardware import resolve
from server.keep import results
from server.kept import Kept
from server.model.artifacts import ModelError
from server.model.info import model_info
from server.readiness import Document, read_document
from server.setting_types import BACKEND_NAMES, BackendName
from server.settings import Settings, SettingsError
from server.state import KEPT, KEPT_LOCK, READINESS

ALL, WINNER = "all", "winner"


class Refused(RuntimeError):
    """A choice is not taken, and nothing was changed; the message says why.

    Attributes:
        status: of HTTP, for a choice that came that way.
    """

    def __init__(self, message: str, status: int = 409) -> None:
        super().__init__(message)
        self.status = status


class Choice(BaseModel):
    """What is asked for; the body of `POST /keep`.

    Attributes:
        keep: a backend's name, `winner` or `all`.
        by: who asks, as `user@host`; whoever takes the choice knows that too, where it is left out.
        result: the name of the run that it rests on, for a backend that was chosen elsewhere by its result.
        sentence: that run's decision.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: Annotated[str, Field(min_length=1, max_length=64)]
    by: Annotated[str | None, Field(max_length=256)] = None
    result: Annotated[str | None, Field(max_length=256)] = None
    sentence: Annotated[str | None, Field(max_length=4096)] = None


def take(
    settings: Settings,
    choice: Choice,
    *,
    by: str,
    document: Document | None,
    unavailable: Mapping[str, str],
    folder: Path | None = None,
) -> Kept:
    """Check a choice and replace the declaration.

    Args:
        settings: of the stack.
        choice: what is asked for.
        by: who asks, where the choice does not say.
        document: the readiness document of the stack; None where it does not run.
        unavailable: by name, why this machine cannot run a backend.
        folder: of the run that the choice rests on; for `winner` the newest where it is left out.

    Raises:
        Refused: it is not possible or not sensible here, or cannot be written.
    """
    home = settings.bakeoff_home
    try:
        with FileLock(KEPT_LOCK.at(home), timeout=0):
            if choice.keep == WINNER or folder is not None:
                choice = resolve_winner(settings, choice, folder, results.here(), _model(settings, document))
            made = _checked(settings, choice, by, document, unavailable)
            kept.write(home, made)
            return made
    except Timeout:
        raise Refused("another choice is being taken in this moment; look at it with `bakeoff status` first") from None
    except results.ResultProblem as problem:
        raise Refused(str(problem)) from None
    except OSError as error:
        where = KEPT.at(home)
        raise Refused(
            f"{where} cannot be written ({error.strerror or error}); free some space or fix the folder", 503
        ) from None


def asked(settings: Settings, choice: Choice, by: str) -> Kept:
    """Take a choice that came over HTTP to the stack that runs; `by` is who asks, where the choice does not say.

    Raises:
        Refused: see `take`; it has the answer's status.
    """
    document = read_document(READINESS.at(settings.bakeoff_home))
    unavailable = (document.get("kept") or {}).get("unavailable", {})
    return take(settings, choice, by=by, document=document, unavailable=unavailable)


def resolve_winner(
    settings: Settings, choice: Choice, folder: Path | None, hardware: tuple[str, ...], model: Mapping[str, Any]
) -> Choice:
    """Return a choice in which a result has given the backend's name and sentence, or only the latter.

    Args:
        hardware: what the stack in question computes on, see `results.check`.
        model: that it serves.

    Raises:
        results.ResultProblem: the result is no ground for it.
        Refused: it is for every backend, which no result can say.
    """
    if choice.keep == ALL and folder is not None:
        raise Refused("no result is a reason to keep all; leave the result out, or name a backend", 422)
    if choice.keep != WINNER and folder is None:
        return choice
    folder = folder or results.newest(settings)
    name, run = printable(folder.resolve().name), results.Run.load(folder)
    results.check(run, name, hardware, model)
    chosen = results.winner(run, name) if choice.keep == WINNER else choice.keep
    return choice.model_copy(update={"keep": chosen, "result": name, "sentence": run.summary.decision})


def _checked(
    settings: Settings, choice: Choice, by: str, document: Document | None, unavailable: Mapping[str, str]
) -> Kept:
    _check_busy(document)
    names = BACKEND_NAMES if choice.keep == ALL else (_backend(settings, choice.keep, document, unavailable),)
    return Kept(
        backends=names, by=choice.by or by, when=datetime.now(UTC), result=choice.result, sentence=choice.sentence
    )


def _model(settings: Settings, document: Document | None) -> Mapping[str, Any]:
    """Return the model that the stack serves, or would serve if it were started."""
    if document is not None and document["model"]:
        model: Mapping[str, Any] = document["model"]
        return model
    try:
        return model_info(settings, resolve(settings))
    except (ModelError, SettingsError) as error:
        raise Refused(f"the result cannot be compared with what a start would serve: {error}") from None


def _check_busy(document: Document | None) -> None:
    """See that an earlier choice is not in the middle of being carried out, which takes seconds."""
    ending = ((document or {}).get("kept") or {}).get("ending")
    if ending:
        raise Refused(f"the choice before is being carried out ({', '.join(ending)} is being ended); say it again then")


def _backend(settings: Settings, name: str, document: Document | None, unavailable: Mapping[str, str]) -> BackendName:
    """Return `name` if a stack may be left with that backend alone."""
    known = next((each for each in BACKEND_NAMES if each == name), None)
    if known is None:
        raise Refused(f"{name!r} is no backend; keep one of {', '.join(BACKEND_NAMES)}, {WINNER} or {ALL}", 422)
    if known not in settings.backends:
        raise Refused(f"{known} is not among BACKENDS={','.join(settings.backends)}; add it, or unset BACKENDS")
    if others := [each for each in settings.required_backends if each != known]:
        raise Refused(
            f"REQUIRED_BACKENDS={','.join(settings.required_backends)} does not let go of {', '.join(others)}; "
            f"change it, or keep {ALL}"
        )
    found = document["backends"].get(known) if document is not None else None
    if found is not None and found["state"] in ("skipped", "failed"):
        raise Refused(f"{known} is {found['state']}: {found['reason']}")
    if found is None and known in unavailable:
        raise Refused(f"{known} cannot run here: {unavailable[known]}")
    return known
