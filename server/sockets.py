"""Unix sockets by which the programs of one stack reach each other: in `state/`, or in a folder of their own where its path is too long."""

import contextlib
import hashlib
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

from server.state import SOCKETS

CONSOLE = "console"
"""Where the console listens, for whoever serves port 8002."""

PORT = "8002"
"""Where whoever serves port 8002 hands over the listening socket."""

SUPERVISORD = "supervisord"
"""Where supervisord takes orders."""

NAMES = (CONSOLE, PORT, SUPERVISORD)

LONGEST_PATH = 107 - len(".4194304")
"""Bytes: `sun_path` has 108 with its end (unix(7)), and supervisord binds the name with its process id behind it first."""

BACKLOG = 1024
"""A connection more than that would be refused at once and not wait, as one to a port does."""


class SocketProblem(OSError):
    """There is no folder for the sockets; the message says why and what to do."""


def socket_path(home: Path, name: str) -> Path:
    """Return where the socket `name` of the stack in `home` lies, in a folder that only this user may enter.

    Raises:
        SocketProblem: there is none.
    """
    if all(_fits(SOCKETS.at(home, one)) for one in NAMES):
        return SOCKETS.at(home, name)
    folder = _short_folder(home)
    _make(folder)
    return folder / SOCKETS.at(home, name).name


def listen(path: Path) -> socket.socket:
    """Return a socket that listens at `path`, for this user only; what another process left there is removed.

    Raises:
        OSError: naming the path; some file systems have no sockets.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before it has a name, so that nobody else can be faster
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        remedy = "put BAKEOFF_HOME on a file system that has Unix sockets"
        raise OSError(f"no socket can be made at {path} ({error.strerror}); {remedy}") from None
    return listener


def remove_folder(home: Path) -> None:
    """Remove the folder that was made because the home's own path is too long, if there is one."""
    with contextlib.suppress(SocketProblem):
        folder = socket_path(home, CONSOLE).parent
        if folder != SOCKETS.at(home, CONSOLE).parent:
            shutil.rmtree(folder, ignore_errors=True)


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST_PATH


def _short_folder(home: Path) -> Path:
    """Return the folder for a home whose own path is too long; every program of this user finds the same."""
    mark = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"bakeoff-{os.getuid()}-{mark}"
    if not all(_fits(folder / SOCKETS.at(home, one).name) for one in NAMES):
        raise SocketProblem(
            f"the paths of BAKEOFF_HOME and of {folder.parent} are too long for Unix sockets ({LONGEST_PATH} bytes); "
            "set TMPDIR to a folder with a short path"
        )
    return folder


def _make(folder: Path) -> None:
    """Make a folder, or see that the one that is there is ours: anybody may make any name in the folder above it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise SocketProblem(
            f"{folder} cannot be made ({error.strerror}); set TMPDIR to a folder that can be written"
        ) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise SocketProblem(
            f"{folder} is not a folder of this user alone; remove it, or set TMPDIR to a folder of your own"
        )
