"""Files that appear whole, with the rights that the umask leaves."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.files import TEMPORARY, atomic_file, write_atomic

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=[0o077, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_that_is_replaced_has_the_rights_that_the_umask_leaves(tmp_path: Path, umask: int) -> None:
    """The stack's is 077; the build of the image has 022, because any user may run that."""
    file = tmp_path / "folder" / "ready.json"
    for text in ("one", "two"):
        write_atomic(file, text)
        assert (file.read_text(), rights(file)) == (text, 0o666 & ~umask)
    assert rights(file.parent) == 0o777 & ~umask


def test_a_file_that_a_library_puts_in_place_of_the_temporary_one_has_them_too(tmp_path: Path, umask: int) -> None:
    with atomic_file(tmp_path / "weights") as temporary:
        made = tmp_path / "made"
        made.touch(0o600 if umask == 0o022 else 0o666)
        made.replace(temporary)
    assert rights(tmp_path / "weights") == 0o666 & ~umask
    assert list(tmp_path.glob(TEMPORARY)) == []


def test_reports_of_the_console_are_for_whoever_made_them(tmp_path: Path) -> None:
    """Whatever the shell's umask is."""
    run = ROOT / "results" / "2026-11-26-two-cores"
    made = tmp_path / "results" / "compared"
    subprocess.run(
        [sys.executable, "-m", "bakeoff", "report", run, run, "--output", made],
        cwd=ROOT, umask=0o022, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert {path.name: rights(path) for path in [made.parent, made, *made.iterdir()]} == {
        "results": 0o700, "compared": 0o700, "report.md": 0o600, "report.html": 0o600,
    }  # fmt: skip
