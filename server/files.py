"""Files that appear whole or not at all."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".*.part"
"""Pattern of the names that files have until they are whole."""


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what was written there takes `path`'s place when the block ends well.

    Raises:
        OSError: the folder cannot be written, or the disk is full; `path` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    temporary.touch(exist_ok=False)  # tempfile's are for this user only, also in the image, which any user may run
    mode = temporary.stat().st_mode
    try:
        yield temporary
        temporary.chmod(mode)  # a library may have put a file of its own there
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def printable(path: Path | str) -> str:
    r"""Return a name as text that JSON and pages can hold: bytes that are no UTF-8 become `\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def write_atomic(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
