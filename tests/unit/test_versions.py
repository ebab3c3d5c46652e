"""Packages that lie in the way of ours are found before they do harm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server import versions
from server.home import ROOT
from server.preflight import checks


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as NVIDIA's image has it on PYTHONPATH: another numpy, and a module that breaks our imports."""
    folder = tmp_path / "dali"
    (folder / "numpy").mkdir(parents=True)
    (folder / "numpy" / "__init__.py").write_text('__version__ = "2.3.5"\n')
    (folder / "typing_extensions.py").write_text("raise ImportError('not ours')\n")
    monkeypatch.setenv("PYTHONPATH", f"{folder}:")
    return folder


def test_here_everything_is_of_the_lock() -> None:
    found = versions.look()
    assert found.foreign == found.other == []
    assert [package.split()[0] for package in found.found][:2] == ["numpy", "torch"]


@pytest.mark.parametrize("described", [False, True])
def test_a_numpy_that_pythonpath_puts_before_ours_is_named_with_its_folder(
    foreign: Path, described: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not the folder also describes its packages (`*.dist-info`)."""
    if described:
        information = foreign / "numpy-2.3.5.dist-info"
        information.mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.3.5\n")
    monkeypatch.syspath_prepend(foreign)
    monkeypatch.delitem(sys.modules, "numpy")  # this process has imported the real one
    found = checks._packages()
    assert found.level == "fail"
    assert found.found == f"numpy is imported from {foreign}/numpy, and not from this environment"
    assert found.remedy == f"unset PYTHONPATH, which is {foreign}:"


def test_another_version_than_the_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "uv.lock"
    lock.write_text(
        versions.LOCK.read_text().replace('name = "numpy"\nversion = "1.26.4"', 'name = "numpy"\nversion = "2.0"')
    )
    monkeypatch.setattr(checks, "look", lambda: versions.look(lock))
    found = checks._packages()
    assert (found.level, found.found) == ("warn", "numpy 1.26.4 is imported, and uv.lock has 2.0")


@pytest.mark.parametrize("verb", ["preflight", "status"])
def test_a_package_that_breaks_our_own_imports_is_named_in_one_line(foreign: Path, verb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", verb],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"bakeoff: failed: numpy is imported from {foreign}/numpy, and not from this environment; "
        f"unset PYTHONPATH, which is {foreign}:"
    ]
