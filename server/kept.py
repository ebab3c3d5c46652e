"""Which backends are kept: a choice that lies with the state, outlives every start, and that the gate carries out.

The file is a declaration of what is wanted. It says nothing of how far that is; the readiness document does.
"""

import getpass
import platform
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from server.files import write_atomic
from server.logs import one_line
from server.setting_types import BACKEND_NAMES, BackendName
from server.settings import Settings
from server.state import KEPT


class KeptProblem(ValueError):
    """The declaration cannot be read; the message says why and what to do."""


def _each_once(names: tuple[BackendName, ...]) -> tuple[BackendName, ...]:
    return tuple(name for name in BACKEND_NAMES if name in names)


Line = Annotated[str, AfterValidator(one_line)]
"""Words of somebody else's, which people read at a terminal and in a log."""


class Kept(BaseModel):
    """A choice.

    Attributes:
        backends: those that are to run, in their fixed order.
        by: who chose, as `user@host`.
        when: the moment of the choice, which tells two of them apart.
        result: the folder's name of the run that it rests on; None for a choice by name.
        sentence: that run's decision, in its own words.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    backends: Annotated[tuple[BackendName, ...], AfterValidator(_each_once)] = Field(min_length=1, max_length=16)
    by: Line = Field(min_length=1, max_length=256)
    when: AwareDatetime
    result: Line | None = Field(None, max_length=256)
    sentence: Line | None = Field(None, max_length=4096)


class Served(NamedTuple):
    """What is to be served.

    Attributes:
        backends: those that are to run.
        outranked: why that is not what was kept, for a person; None where it is, or where nothing was.
    """

    backends: tuple[BackendName, ...]
    outranked: str | None


def parse(data: bytes) -> Kept:
    """Read a declaration.

    Raises:
        KeptProblem: it is none.
    """
    try:
        return Kept.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise KeptProblem(f"{where}: {first['msg']}") from None


def read(home: Path) -> Kept | None:
    """Return what is kept under `home` (`BAKEOFF_HOME`); None where nothing was chosen yet.

    Raises:
        KeptProblem: the file is damaged or cannot be read.
    """
    file = KEPT.at(home)
    try:
        return parse(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, KeptProblem) as error:
        reason = getattr(error, "strerror", None) or error
        raise KeptProblem(
            f"what is kept cannot be read from {file} ({reason}), so every backend counts; say it again with `bakeoff keep`"
        ) from None


def write(home: Path, kept: Kept) -> None:
    """Replace the declaration in one step.

    Raises:
        OSError: it cannot be written, and is as it was.
    """
    write_atomic(KEPT.at(home), kept.model_dump_json(indent=1) + "\n")


def served(settings: Settings, kept: Kept | None) -> Served:
    """Return what is to be served by these settings and that choice: `BACKENDS`, where it is set, outranks it."""
    enabled = settings.backends
    if kept is None or set(enabled) == set(kept.backends):
        return Served(enabled, None)
    chosen = tuple(name for name in enabled if name in kept.backends)
    words = f"which was kept by {kept.by} on {kept.when:%Y-%m-%d}"
    if settings.backends_are_set:
        return Served(enabled, f"BACKENDS={','.join(enabled)} is set and outranks {','.join(kept.backends)}, {words}")
    if missing := [name for name in settings.required_backends if name not in chosen]:
        required = ",".join(settings.required_backends)
        reason = (
            f"REQUIRED_BACKENDS={required} asks for {', '.join(missing)} too and outranks {','.join(chosen)}, {words}"
        )
        return Served(enabled, reason)
    return Served(chosen, None)


def served_at_start(settings: Settings) -> Served:
    """Return what a start serves; every enabled backend, and why, where the declaration cannot be read."""
    try:
        return served(settings, read(settings.bakeoff_home))
    except KeptProblem as problem:
        return Served(settings.backends, str(problem))


def who() -> str:
    """Return who runs this program, as `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user who has no name
        user = "somebody"
    return f"{user}@{platform.node() or 'localhost'}"
