"""Which processes count as a Triton's, and when one of them has ended."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from server.gate import model_processes as module
from server.gate.model_processes import STUB, ModelProcesses

TRITON_DOUBLE = """
import subprocess, sys, time
for program in sys.argv[1:]:
    subprocess.Popen([program, "60"])
print("started", flush=True)
time.sleep(60)
"""
"""Starts its arguments, and never waits for what has ended."""


@pytest.fixture
def triton_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[psutil.Process]:
    (tmp_path / STUB).symlink_to("/bin/sleep")
    command = [sys.executable, "-c", TRITON_DOUBLE, str(tmp_path / STUB), str(tmp_path / STUB), "/bin/sleep"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        program = psutil.Process(process.pid)
        children = program.children()
        monkeypatch.setattr(module, "find_program", lambda _: program)
        try:
            yield program
        finally:
            for one in (program, *children):
                if one.is_running():
                    one.kill()


def ended(processes: ModelProcesses) -> bool:
    deadline = time.monotonic() + 1
    while not processes.one_has_ended() and time.monotonic() < deadline:
        time.sleep(0.01)
    return processes.one_has_ended()


def test_one_that_ended_is_seen_though_nobody_waited_for_it(triton_double: psutil.Process) -> None:
    processes = ModelProcesses("triton-onnx")
    assert not processes.one_has_ended()
    next(child for child in triton_double.children() if child.name() == STUB).kill()
    assert ended(processes)


def test_another_program_s_end_is_nobody_s_concern(triton_double: psutil.Process) -> None:
    processes = ModelProcesses("triton-onnx")
    next(child for child in triton_double.children() if child.name() != STUB).kill()
    assert not ended(processes)


def test_after_the_death_of_triton_itself_it_is_supervisord_who_acts(triton_double: psutil.Process) -> None:
    processes = ModelProcesses("triton-onnx")
    stubs = [child for child in triton_double.children() if child.name() == STUB]
    triton_double.kill()
    while triton_double.is_running() and triton_double.status() != psutil.STATUS_ZOMBIE:  # it takes a moment to die
        time.sleep(0.01)
    stubs[0].kill()
    assert not ended(processes)


def test_a_program_that_does_not_run_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_program", lambda _: None)
    assert not ModelProcesses("triton-onnx").one_has_ended()
