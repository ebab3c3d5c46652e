"""Copy lines from standard input to standard output with a name in front, and keep the last ones in a file.

    python -ISE prefix.py NAME FILE

With LOG_FORMAT=json every line is made one JSON object, the name its `program`.

A program's lines stand among those of the others; when it is given up, `fatal.py` shows its own last ones once more. Whatever a
program copies from its clients into a line, the line is one, and of those beyond a rate only their number is told.
Run as a script, with the standard library only, so that it starts quickly and stays small.
"""

import json
import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

KEPT_LINES = 15
LONGEST = 4000
"""Bytes of a line; a longer one is cut, because one write of up to 4096 bytes to a pipe is not torn apart (pipe(7))."""

MISLEADING = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""As in `server/logs.py`, which a script cannot import."""

CONTINUED = "... "
"""Before what was cut off, so that it does not pass for a line of its own."""

LINES_AT_ONCE = 2000
LINES_PER_S = 20
"""From then on. A model's start prints some hundred lines."""


class Flow:
    """How many lines may pass: `LINES_AT_ONCE`, and `LINES_PER_S` more every second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(LINES_AT_ONCE)
        self._at = clock()
        self.left_out = 0
        """Lines since the last one that passed."""

    def passes(self) -> bool:
        """Take one line into account."""
        now = self._clock()
        self._left = min(LINES_AT_ONCE, self._left + (now - self._at) * LINES_PER_S)
        self._at = now
        if self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        return True

    def told(self) -> str:
        """Return what is to be said of the lines left out, which is then said."""
        count, self.left_out = self.left_out, 0
        return f"{count} lines were left out, beyond {LINES_PER_S} a second"


def main(name: str, file: Path) -> None:
    """Copy until every writer is gone."""
    last: deque[str] = deque(maxlen=KEPT_LINES)
    marked = as_json if os.environ.get("LOG_FORMAT") == "json" else as_text
    flow = None if os.environ.get("LOG_LEVEL") == "debug" else Flow()
    out = sys.stdout.fileno()
    with open(out, "wb", buffering=0, closefd=False) as output:
        continued = False
        while read := sys.stdin.buffer.readline(LONGEST):
            line = read.removesuffix(b"\n").decode("utf-8", "surrogateescape")
            line = CONTINUED + line if continued else line
            continued = not read.endswith(b"\n")
            last.append(_escaped(line))
            if flow and not flow.passes():
                continue
            if flow and flow.left_out:
                output.write(_bytes(marked(name, flow.told())))
            output.write(_bytes(marked(name, line)))
        if flow and flow.left_out:
            output.write(_bytes(marked(name, flow.told())))
    file.write_bytes(b"".join(map(_bytes, last)))


def as_text(name: str, line: str) -> str:
    """Put the name in front."""
    return f"[{name}] {_escaped(line)}"


def as_json(name: str, line: str) -> str:
    """Put the name into an object, or make one of a line that is none."""
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {"message": line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")}
    text = json.dumps({"program": name, **fields}, ensure_ascii=False)
    return MISLEADING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(line: str) -> str:
    text = MISLEADING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), line)
    return text.encode("utf-8", "surrogateescape")[: LONGEST + len(CONTINUED)].decode("utf-8", "surrogateescape")


def _bytes(line: str) -> bytes:
    return f"{line}\n".encode("utf-8", "surrogateescape")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
