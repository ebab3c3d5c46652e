"""`python -m server.processes.capped_log FILE`: copy standard input to a file that cannot fill the disk.

At `LARGEST` bytes the file becomes FILE.1, and the one before it is gone.
"""

import contextlib
import os
import sys
from pathlib import Path

LARGEST = 32 * 2**20
PIECE = 65536


def main(file: Path, largest: int = LARGEST) -> None:
    """Copy until every writer is gone; what a full disk cannot take is lost, because whoever writes must not wait for it."""
    while piece := os.read(sys.stdin.fileno(), PIECE):
        with contextlib.suppress(OSError):
            if file.exists() and file.stat().st_size + len(piece) > largest:
                file.replace(f"{file}.1")
            with file.open("ab", buffering=0) as output:
                output.write(piece)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
