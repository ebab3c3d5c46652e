"""`bakeoff keep`: leave one backend running, or all, and see it done."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from pydantic import ValidationError

from bakeoff import stack
from bakeoff.console import console, read_settings, stop
from server.kept import Kept, who
from server.logs import one_line
from server.readiness import Document, read_document
from server.settings import Settings, SettingsError
from server.state import READINESS

LOOK_EVERY_S = 0.5

SILENCE_S = 30.0
"""For which a gate may say nothing of a choice, or a stack elsewhere not answer, before nobody waits any longer."""

MIB = 2**20

FAILED = ("skipped", "failed")
SETTLED = ("ready", *FAILED)


def keep(
    what: Annotated[
        str,
        typer.Argument(metavar="NAME|winner|all", help="A backend; the newest result's winner; every backend again."),
    ],
    result: Annotated[
        Path | None, typer.Option(help="Folder of the run that it rests on, instead of the newest one.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Base URL of port 8002 of a stack elsewhere.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Its key; without it the first of API_KEY and its file.")] = None,
) -> None:
    """Keep one backend and end the others, without a request of the kept one being lost; or have all back."""
    from server.keep.choice import Choice, Refused, take
    from server.keep.results import ResultProblem

    settings = read_settings()
    try:
        choice = Choice(keep=what, by=who())
        look: Callable[[], Document] | None
        if url is not None:
            made, look = _take_elsewhere(settings, choice, result, url, api_key or next(iter(settings.keys), None))
        else:
            look = _look_here(settings)
            document = look() if look else None
            made = take(
                settings, choice, by=who(), document=document, unavailable=_unavailable(settings), folder=result
            )
    except ValidationError:
        stop("bakeoff: failed: that is no backend's name; see `bakeoff keep --help`")
    except (Refused, ResultProblem) as problem:
        stop(f"bakeoff: failed: {problem}")
    because = f": {made.sentence}" if made.sentence else ""
    _tell(f"kept: {', '.join(made.backends)}{f' by {made.result}' if made.result else ''}{because}")
    if look is None:
        _tell(f"no stack runs in {settings.bakeoff_home}; the next start goes by it")
    else:
        _follow(made, look)


def _look_here(settings: Settings) -> Callable[[], Document] | None:
    """Return what reads the readiness document of the stack that runs here; None where none does."""
    if stack.running(settings) is None:
        return None
    return partial(read_document, READINESS.at(settings.bakeoff_home))


def _unavailable(settings: Settings) -> dict[str, str]:
    """Return by name why this machine cannot run a backend."""
    from server.hardware import resolve
    from server.triton.runtimes import RUNTIMES

    try:
        hardware = resolve(settings)
    except SettingsError as error:
        stop(f"bakeoff: failed: {error}")
    reasons = {name: runtime.unavailable_reason(hardware) for name, runtime in RUNTIMES.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def _take_elsewhere(
    settings: Settings, choice: Any, folder: Path | None, url: str, key: str | None
) -> tuple[Kept, Callable[[], Document]]:
    """Have a stack elsewhere take a choice; return it, and what looks how far that is."""
    from bench.proxies import http_client
    from bench.targets import with_path
    from server.keep.choice import WINNER, Refused, resolve_winner

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    base = with_path(url).removesuffix("/ready")

    def ask(method: str, path: str, **body: Any) -> tuple[int, Any]:
        try:
            with http_client(base, headers, timeout_s=10) as client:
                answer = client.request(method, f"{base}{path}", **body)
            if answer.status_code in (401, 403):
                raise Refused(f"{base}{path} answered {answer.status_code}; give its key with --api-key or API_KEY")
            return answer.status_code, answer.json()
        except httpx.HTTPError as error:
            raise Refused(f"nothing answers at {base}{path} ({error})") from None
        except ValueError:
            raise Refused(f"{base}{path} answered, but not as a bake-off does; is another program there?") from None

    def look() -> Document:
        _, document = ask("GET", "/ready")
        if not isinstance(document, dict) or not isinstance(document.get("backends"), dict):
            raise Refused(f"{base}/ready is no readiness document; is another program there?")
        return document

    if choice.keep == WINNER or folder is not None:
        _, about = ask("GET", "/gpu-info")
        gpus = tuple(str(gpu["name"]) for gpu in about.get("gpus", ())) if isinstance(about, dict) else ()
        choice = resolve_winner(settings, choice, folder, gpus, look().get("model") or {})
    status, answer = ask("POST", "/keep", json=choice.model_dump())
    if status not in (httpx.codes.OK, httpx.codes.ACCEPTED):
        words = answer.get("error") if isinstance(answer, dict) else None
        raise Refused(one_line(str(words or f"{base}/keep answered {status}; that stack is too old to be told")))
    try:
        return Kept.model_validate(answer), look
    except ValidationError:
        raise Refused(f"{base}/keep answered {status}, but not as a bake-off does") from None


def _follow(made: Kept, look: Callable[[], Document]) -> None:
    """Wait until a choice is carried out, say what was ended, and in what state the rest is."""
    from server.keep.choice import Refused

    heard, said = time.monotonic(), set[str]()
    while True:
        try:
            document = look()
        except Refused as problem:  # port 8002 changes hands
            document = {"note": str(problem), "backends": {}}
        if (found := _about(document, made)) is not None:
            heard = time.monotonic()
            for line in _news(found):
                if line not in said:
                    _tell(line)
            said |= set(_news(found))
            if found.get("outranked"):
                return
            states = {name: document["backends"].get(name, {}) for name in made.backends}
            settled = [state.get("state") in SETTLED for state in states.values()]
            if all(settled) and found.get("done"):
                break
            if not any(state.get("state") not in FAILED for state in states.values()):
                reasons = "; ".join(f"{name} is {state['state']}: {state['reason']}" for name, state in states.items())
                stop(f"bakeoff: failed: {one_line(reasons)}; the others go on, and are ended once it is ready")
        elif time.monotonic() - heard > SILENCE_S:
            note = document.get("note") or "the gate does not say that it has seen the choice"
            stop(f"bakeoff: failed: {one_line(str(note))}; the choice is written, and counts at the next start")
        time.sleep(LOOK_EVERY_S)
    for name, state in states.items():
        _tell(f"{name}: {state['state']}" + (f": {state['reason']}" if state["reason"] else ""))


def _about(document: Document, made: Kept) -> dict[str, Any] | None:
    """Return what the document says of this choice; None while it does not."""
    found = document.get("kept")
    try:
        return found if isinstance(found, dict) and Kept.model_validate(found).when == made.when else None
    except ValidationError:
        return None


def _news(found: dict[str, Any]) -> list[str]:
    """Return what is to be told of a choice as far as it is carried out."""
    if outranked := found.get("outranked"):
        return [f"{outranked}; it counts at a start without that"]
    lines = []
    for name, what in found.get("ended", {}).items():
        freed = what.get("gpu_memory_freed")
        lines.append(f"{name}: ended" + ("" if freed is None else f", {freed / MIB:,.0f} MiB of GPU memory are free"))
    if waits := found.get("waits_for"):
        lines.append(f"waiting for {waits}")
    return lines


def _tell(words: str) -> None:
    console.print(one_line(words), soft_wrap=True, markup=False)
