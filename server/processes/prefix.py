"""Copy lines from standard input to standard output with a name in front, and keep the last ones in a file.

    python -ISE prefix.py NAME FILE

A program's lines stand among those of the others; when it is given up, `fatal.py` shows its own last ones once more.
Run as a script, with the standard library only, so that it starts quickly and stays small.
"""

import sys
from collections import deque
from pathlib import Path

KEPT_LINES = 15
LONGEST = 4000
"""Bytes of a line; a longer one is cut, because one write of up to 4096 bytes to a pipe is not torn apart (pipe(7))."""


def main(name: str, file: Path) -> None:
    """Copy until every writer is gone."""
    last: deque[bytes] = deque(maxlen=KEPT_LINES)
    prefix = f"[{name}] ".encode()
    out = sys.stdout.fileno()
    with open(out, "wb", buffering=0, closefd=False) as output:
        while line := sys.stdin.buffer.readline(LONGEST):
            line = line.rstrip(b"\n") + b"\n"
            last.append(line)
            output.write(prefix + line)
    file.write_bytes(b"".join(last))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
