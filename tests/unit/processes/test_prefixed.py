"""A program's lines are kept however it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from server.home import ROOT
from server.processes import programs

PROGRAM = "echo last words; sleep 60 & echo started; wait"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program as supervisord starts it: in a process group of its own, its name in the environment."""
    variables = {
        **os.environ, "BAKEOFF_RUN": str(tmp_path), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "SUPERVISOR_PROCESS_NAME": "onnx",
    }  # fmt: skip
    started = subprocess.Popen(
        [ROOT / "server" / "processes" / "prefixed.sh", "onnx", "sh", "-c", PROGRAM],
        env=variables, stdout=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip
    assert started.stdout
    assert [started.stdout.readline() for _ in range(2)] == ["[onnx] last words\n", "[onnx] started\n"]
    yield started
    if started.poll() is None:
        os.killpg(started.pid, signal.SIGKILL)
    started.communicate(timeout=30)


def by_the_gate(_: subprocess.Popen[str]) -> None:
    assert programs.kill_program("onnx")


def by_supervisord(program: subprocess.Popen[str]) -> None:
    os.killpg(program.pid, signal.SIGKILL)


@pytest.mark.parametrize("kill", [by_the_gate, by_supervisord])
def test_the_last_lines_of_a_killed_program_are_kept(
    program: subprocess.Popen[str],
    kill: Callable[[subprocess.Popen[str]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "getppid", os.getpid)  # this process is supervisord here
    family = [psutil.Process(program.pid), *psutil.Process(program.pid).children(recursive=True)]
    kill(program)
    program.communicate(timeout=30)  # until the filter has ended, too
    assert (tmp_path / "onnx.last").read_text().splitlines() == ["last words", "started"]
    assert psutil.wait_procs(family, timeout=30)[1] == []


def test_the_gate_does_not_take_the_filter_for_the_program(
    program: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter is adopted by supervisord where that is a container's first process."""
    filters = [one for one in psutil.process_iter() if _is_filter(one, program)]
    assert len(filters) == 1
    assert "SUPERVISOR_PROCESS_NAME" not in filters[0].environ()
    monkeypatch.setattr(os, "getppid", os.getpid)
    found = programs.find_program("onnx")
    assert found
    assert found.pid == program.pid


def _is_filter(process: psutil.Process, program: subprocess.Popen[str]) -> bool:
    try:
        return process.cmdline()[-3:-1] == [str(ROOT / "server" / "processes" / "prefix.py"), "onnx"] and (
            process.environ().get("BAKEOFF_RUN") == psutil.Process(program.pid).environ()["BAKEOFF_RUN"]
        )
    except psutil.Error:
        return False
