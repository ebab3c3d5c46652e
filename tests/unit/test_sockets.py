"""Where the stack's Unix sockets lie, and that nobody else reaches them."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from server.home import ROOT
from server.sockets import CONSOLE, LONGEST_PATH, NAMES, SUPERVISORD, SocketProblem, listen, remove_folder, socket_path
from server.state import FOLDER


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for temporary files."""
    folder = Path(tempfile.mkdtemp(prefix="s-", dir="/tmp"))  # pytest's own have long paths
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def home_of(length: int, under: Path) -> Path:
    """Return a home whose longest socket would have a path of so many bytes in its own folder."""
    rest = length - len(str(under / "h" / FOLDER / f"{max(NAMES, key=len)}.sock"))
    home = under / ("h" + "x" * rest)
    (home / FOLDER).mkdir(parents=True)
    return home


@pytest.mark.parametrize(("length", "own"), [(LONGEST_PATH, True), (LONGEST_PATH + 1, False)])
def test_a_path_that_is_too_long_is_replaced_for_all(temporary: Path, length: int, own: bool) -> None:
    home = home_of(length, temporary)
    folders = {socket_path(home, name).parent for name in NAMES}
    assert (folders == {home / FOLDER}) is own
    assert len(folders) == 1
    (folder,) = folders
    assert own or stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_supervisord_can_bind_its_name_with_its_process_id(temporary: Path) -> None:
    path = socket_path(home_of(LONGEST_PATH, temporary), SUPERVISORD)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(f"{path}.4194304")


def test_letters_of_several_bytes_are_counted_as_such(temporary: Path) -> None:
    home = temporary / ("ü" * 40)
    assert socket_path(home, CONSOLE).parent.parent == temporary


def test_whoever_looks_finds_the_same_and_another_stack_another(temporary: Path) -> None:
    home = home_of(200, temporary)
    (temporary / "link").symlink_to(home.parent)
    assert socket_path(home, CONSOLE) == socket_path(temporary / "link" / home.name, CONSOLE)
    assert socket_path(home, CONSOLE) != socket_path(home_of(201, temporary), CONSOLE)


def strangers(folder: Path) -> None:
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)


def link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize("make", [strangers, link, Path.touch])
def test_a_folder_that_others_may_write_is_refused(temporary: Path, make: Callable[[Path], None]) -> None:
    home = home_of(200, temporary)
    folder = socket_path(home, CONSOLE).parent
    folder.rmdir()
    make(folder)
    with pytest.raises(SocketProblem, match=r"TMPDIR"):
        socket_path(home, CONSOLE)


def test_another_users_folder_is_refused(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = home_of(200, temporary)
    user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: user + 1)
    with pytest.raises(SocketProblem, match="not a folder of this user alone"):
        socket_path(home, CONSOLE)


def test_where_every_path_is_too_long_it_is_said(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = temporary / ("t" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with pytest.raises(SocketProblem, match="set TMPDIR to a folder with a short path"):
        socket_path(home_of(200, temporary), CONSOLE)


def test_at_the_end_nothing_is_left_of_it_and_a_home_of_its_own_is_not_touched(temporary: Path) -> None:
    for home in (home_of(200, temporary), home_of(LONGEST_PATH, temporary)):
        path = socket_path(home, CONSOLE)
        listen(path).close()
        remove_folder(home)
        remove_folder(home)
        assert path.exists() is (path.parent.parent == home)


def test_what_was_left_is_replaced_and_only_this_user_may_ask(temporary: Path) -> None:
    path = temporary / "one.sock"
    listen(path).close()
    with listen(path), socket.socket(socket.AF_UNIX) as client:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        client.connect(str(path))


def test_a_stack_that_can_have_none_does_not_start(temporary: Path) -> None:
    home = home_of(200, temporary)
    environment = {**os.environ, "BAKEOFF_HOME": str(home), "TMPDIR": str(home), "BACKENDS": "pytorch"}
    command = [sys.executable, "-m", "server.processes.supervisor"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("bakeoff: failed: the paths of BAKEOFF_HOME and of ")
    assert len(done.stderr.splitlines()) == 1


def test_where_none_can_be_made_it_is_said(temporary: Path) -> None:
    with pytest.raises(OSError, match=r"no-folder/one\.sock .*put BAKEOFF_HOME on a file system"):
        listen(temporary / "no-folder" / "one.sock")
