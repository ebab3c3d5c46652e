"""Another user of the machine reads nothing of a running stack: no photo in its shared memory, no file, no key."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from server import shared_memory
from server.model.reference import Reference
from server.state import READINESS
from tests.stack.stack import RunningStack

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")


@pytest.fixture(scope="module")
def served(guarded: RunningStack, reference: Reference) -> RunningStack:
    """A stack through all of whose backends a photo has gone."""
    answer = httpx.post(f"{guarded.url()}/try", content=reference.files[0], headers=guarded.headers, timeout=60)
    assert set(answer.json()["backends"]) == {"pytorch", "onnx"}
    return guarded


def as_nobody(*command: str, folder: Path | str = "/") -> str:
    """Return what a command prints that runs in `folder`, whatever the rights of the folders above it, as another user."""
    return subprocess.run(
        command, cwd=folder, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, timeout=60, check=False,
    ).stdout  # fmt: skip


def made(home: Path) -> Iterator[Path]:
    """Everything that the stack has made, but the copies of Triton's backends, which have the rights of their originals."""
    for path in home.rglob("*"):
        if not path.is_symlink() and "backends" not in path.relative_to(home).parts:
            yield path


def test_the_other_user_reads_what_is_for_all(tmp_path: Path) -> None:
    """Otherwise the tests below would show nothing."""
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "file").write_text("text")
    assert as_nobody("find", ".", "-type", "f", "-readable", folder=folder) == "./file\n"


def test_shared_memory_is_for_the_stack_only(served: RunningStack) -> None:
    """What Triton makes there is 0644 by itself, whatever the umask is."""
    port = served.ports["onnx"]
    segments = list(shared_memory.FOLDER.glob(f"bakeoff-onnx-{port}-*"))
    assert segments
    assert {stat.S_IMODE(path.stat().st_mode) for path in segments} == {0o600}
    assert as_nobody("find", "/dev/shm", "-name", f"bakeoff-onnx-{port}-*", "-readable") == ""


def test_no_folder_of_the_stack_shows_another_user_anything(served: RunningStack) -> None:
    folders = [path for path in made(served.home) if path.is_dir()]
    assert {"state", "model_repository", "triton"} <= {path.name for path in folders}
    assert {as_nobody("find", "-L", ".", "-readable", folder=folder) for folder in folders} == {""}


def test_every_file_of_the_stack_is_for_its_user_only(served: RunningStack) -> None:
    """State, logs, metrics and rendered repositories, one by one; the folder above them is the test's own."""
    rights = {path: path.stat().st_mode for path in made(served.home)}
    assert READINESS.at(served.home) in rights
    assert {path: oct(mode) for path, mode in rights.items() if mode & 0o077} == {}


def test_no_process_shows_another_user_its_memory_environment_or_files(served: RunningStack) -> None:
    family = [psutil.Process(served.process.pid), *served.processes()]
    wanted = [f"/proc/{process.pid}/{name}" for process in family for name in ("environ", "mem", "maps")]
    assert as_nobody("cat", *wanted) == ""
    assert as_nobody("find", *(f"/proc/{process.pid}/fd/" for process in family), "-mindepth", "1") == ""
