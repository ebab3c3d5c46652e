"""Copy lines from standard input to standard output with a name in front, and keep the last ones in a file.

    python -ISE prefix.py NAME FILE

With LOG_FORMAT=json every line is made one JSON object, the name its `program`.

A program's lines stand among those of the others; when it is given up, `fatal.py` shows its own last ones once more.
Run as a script, with the standard library only, so that it starts quickly and stays small.
"""

import json
import os
import sys
from collections import deque
from pathlib import Path

KEPT_LINES = 15
LONGEST = 4000
"""Bytes of a line; a longer one is cut, because one write of up to 4096 bytes to a pipe is not torn apart (pipe(7))."""


def main(name: str, file: Path) -> None:
    """Copy until every writer is gone."""
    last: deque[bytes] = deque(maxlen=KEPT_LINES)
    marked = as_json if os.environ.get("LOG_FORMAT") == "json" else as_text
    out = sys.stdout.fileno()
    with open(out, "wb", buffering=0, closefd=False) as output:
        while line := sys.stdin.buffer.readline(LONGEST):
            line = line.rstrip(b"\n") + b"\n"
            last.append(line)
            output.write(marked(name, line))
    file.write_bytes(b"".join(last))


def as_text(name: str, line: bytes) -> bytes:
    """Put the name in front."""
    return f"[{name}] ".encode() + line


def as_json(name: str, line: bytes) -> bytes:
    """Put the name into an object, or make one of a line that is none."""
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {"message": line.decode("utf-8", "replace").rstrip("\n")}
    return json.dumps({"program": name, **fields}, ensure_ascii=False).encode() + b"\n"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
