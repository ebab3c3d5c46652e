"""What a program held is seen to be free: real processes under a double of supervisord, and a double of NVML."""

import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pynvml
import pytest

from server.gate import freed as module
from server.gate.freed import Holdings
from tests.doubles.nvml import NvmlDouble, cuda_answers

MIB = 2**20
CHILD = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); {}"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[psutil.Process]:
    """Return a program with a child, which supervisord would know as `one`."""
    monkeypatch.setattr(module, "SETTLES_S", 0.05)
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_S", 2.0)
    process = subprocess.Popen([sys.executable, "-c", CHILD.format("print(flush=True); sys.stdin.read()")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    assert process.stdout
    process.stdout.readline()
    found = psutil.Process(process.pid)
    monkeypatch.setattr(module, "find_program", lambda name: {"one": found}.get(name))
    family = [found, *found.children()]
    yield found
    for each in family:
        if each.is_running():
            each.kill()
    process.communicate()


def test_children_that_outlive_their_program_are_killed(program: psutil.Process) -> None:
    (child,) = program.children()
    holdings = Holdings("one")
    program.kill()
    program.wait(10)
    assert holdings.wait(0.2)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_program_that_ended_with_all_its_children_leaves_nothing_to_kill(program: psutil.Process) -> None:
    holdings = Holdings("one")
    for each in (*program.children(), program):
        each.kill()
    assert not holdings.wait(10)


def test_a_program_that_does_not_run_holds_nothing(program: psutil.Process) -> None:
    assert not Holdings("other").wait(0)


def test_without_a_gpu_nothing_is_told(program: psutil.Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "gpu_loads", lambda: ())
    assert Holdings("one").freed() is None


class Gpu:
    """One GPU; `used` bytes, by the processes `pids`, both told look by look, the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, used: list[int], pids: list[set[int]]) -> None:
        self._used, self._pids = used, pids
        NvmlDouble({"GPU-0": "NVIDIA H100"}).install(monkeypatch)
        cuda_answers(monkeypatch, None, 0, "GPU-0")
        monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", self._memory)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", self._processes)

    def _memory(self, _: object) -> SimpleNamespace:
        return SimpleNamespace(used=self._next(self._used) * MIB, total=2**34, free=0)

    def _processes(self, _: object) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid, usedGpuMemory=MIB) for pid in self._next(self._pids)]

    @staticmethod
    def _next(values: list):  # type: ignore[type-arg, no-untyped-def]
        return values.pop(0) if len(values) > 1 else values[0]


def test_the_memory_is_told_once_the_driver_has_it_back(
    program: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    Gpu(monkeypatch, used=[5000, 5000, 4800, 3100, 3000], pids=[{program.pid}, {program.pid}, {os.getpid()}])
    holdings = Holdings("one")
    program.kill()
    assert holdings.freed() == 2000 * MIB


def test_a_driver_that_does_not_tell_processes_is_believed_by_its_sum(
    program: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    Gpu(monkeypatch, used=[5000, 4000, 3000], pids=[set()])
    assert Holdings("one").freed() == 2000 * MIB


def test_what_others_take_meanwhile_is_no_negative_figure(
    program: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    Gpu(monkeypatch, used=[5000, 6000], pids=[set()])
    assert Holdings("one").freed() == 0


def test_memory_that_stays_is_not_waited_for_without_end(
    program: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_S", 0.2)
    Gpu(monkeypatch, used=[5000], pids=[{program.pid}])
    assert Holdings("one").freed() == 0
