"""Faults of files and of the disk."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from server.state import READINESS
from tests.stack.stack import RunningStack

Inject = Callable[[RunningStack], None]
DAMAGE = 4096
MIB = 1 << 20


def damage(path: str, then: Inject, *, delete: bool) -> Inject:
    """Return a fault: files are lost, or their middle is noise, and then the process that needs them is killed."""

    def inject(stack: RunningStack) -> None:
        files = list(stack.home.glob(path))
        assert files, f"nothing is at {path}"
        for file in files:
            if delete:
                file.unlink()
            else:
                _spoil(file)
        then(stack)

    return inject


def _spoil(file: Path) -> None:
    size = file.stat().st_size
    with file.open("r+b") as handle:
        handle.seek(size // 2)
        handle.write(os.urandom(min(DAMAGE, size // 2)))


def damage_document(stack: RunningStack) -> None:
    """Damage the readiness document; the gate replaces it."""
    READINESS.at(stack.home).write_text("{")


def fill_disk(then: Inject) -> Callable[[RunningStack], Callable[[], None]]:
    """Return a fault: BAKEOFF_HOME, which has to be a small file system, is full, and what has to write there starts."""

    def inject(stack: RunningStack) -> Callable[[], None]:
        filler = stack.home / "filler"
        with filler.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(MIB))
                file.flush()
        then(stack)
        return filler.unlink

    return inject


def has_its_own_disk(home: Path) -> bool:
    """Tell whether filling up `home` harms nobody else."""
    return home.stat().st_dev != home.parent.stat().st_dev
