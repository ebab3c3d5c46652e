"""The command that carries the decision out, with which a report ends."""

import shlex
from pathlib import Path

from bench.report.document import code
from bench.result import Result

NEWEST = "It goes by the newest result; `--result` and a folder name another one."


def words(result: Result) -> str:
    """Return what the command does."""
    if _decided(result):
        return f"to leave {result.summary.winner} running and end the others, at every later start too"
    if len(result.measured) == 1:
        return f"to leave {result.measured[0]} running, at every later start too"
    return "nothing here decides it; to leave one running all the same, at every later start too"


def commands(result: Result, folder: Path | None = None) -> list[str]:
    """Return the command, for a shell, or one for each of those that may be chosen.

    Args:
        folder: that of the run, where it is known; the newest result counts else.
    """
    elsewhere = [] if result.local else ["--url", result.settings.ready_url]
    if not _decided(result):
        return [shlex.join(["bakeoff", "keep", name, *elsewhere]) for name in result.measured]
    rests_on = [] if folder is None else ["--result", str(folder)]
    return [shlex.join(["bakeoff", "keep", "winner", *rests_on, *elsewhere])]


def told(result: Result) -> str:
    """Return the last section of a report, in Markdown; its last line is the command."""
    said = words(result)
    newest = f" {NEWEST}" if _decided(result) else ""
    return f"{said[0].upper()}{said[1:]}.{newest}\n\n{' or '.join(map(code, commands(result)))}"


def _decided(result: Result) -> bool:
    return result.summary.winner is not None and not result.interrupted
