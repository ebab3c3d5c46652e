"""One program of several is started and ended over a real supervisord's socket, configured as ours is."""

import configparser
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from server.home import ROOT
from server.keys import ADMIN_VARIABLE
from server.processes.control import ENDING, UP, ControlError, Supervisor, UnknownProgram
from server.sockets import SUPERVISORD, socket_path

PROGRAM = """
[program:{name}]
command = sh -c {command}
autostart = {autostart}
autorestart = true
startsecs = 0
stopwaitsecs = 60
killasgroup = true
"""

OURS = ("unix_http_server", "rpcinterface:supervisor", "rpcinterface:bakeoff")


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(ADMIN_VARIABLE, "of-this-start")
    return "of-this-start"


@pytest.fixture
def supervisord(tmp_path: Path, secret: str) -> Iterator[psutil.Process]:
    """Run one with three programs; its socket is as supervisord.conf says."""
    ours = configparser.RawConfigParser()
    ours.read(ROOT / "supervisord.conf")
    sections = [f"[{name}]\n" + "\n".join(f"{key} = {value}" for key, value in ours.items(name)) for name in OURS]
    programs = [
        PROGRAM.format(name="serves", command="'exec sleep 600'", autostart="true"),
        PROGRAM.format(
            name="deaf", command=f"'trap : TERM; touch {tmp_path}/deaf; while :; do sleep 0.05; done'", autostart="true"
        ),
        PROGRAM.format(name="waits", command="'exec sleep 600'", autostart="false"),
    ]
    head = "[supervisord]\nnodaemon = true\nlogfile = /dev/null\nlogfile_maxbytes = 0\nloglevel = warn"
    groups = "[group:stack]\nprograms = serves,deaf,waits"
    file = tmp_path / "supervisord.conf"
    file.write_text("\n\n".join([head, *sections, *programs, groups]))
    control = socket_path(tmp_path, SUPERVISORD)
    control.parent.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", "from supervisor import supervisord; supervisord.main()", "--configuration", str(file),
         "--pidfile", str(tmp_path / "pid"), "--user", "root"],
        cwd=ROOT, env={**os.environ, "BAKEOFF_CONTROL": str(control)}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: up(Supervisor(tmp_path)) == {"serves": True, "deaf": True, "waits": False})
        wait_until((tmp_path / "deaf").exists)
        yield psutil.Process(process.pid)
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait(10)


def up(supervisor: Supervisor) -> dict[str, bool] | None:
    """Tell which programs run or will; None while nobody answers."""
    try:
        return {program: state in UP for program, state in supervisor.states().items()}
    except ControlError:
        return None


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_is_ended_and_started_again_beside_the_others(tmp_path: Path, supervisord: psutil.Process) -> None:
    control = Supervisor(tmp_path)
    assert socket_path(tmp_path, SUPERVISORD).stat().st_mode & 0o777 == 0o600
    before = {child.pid for child in supervisord.children()}
    control.end("serves", 30)
    wait_until(lambda: up(control) == {"serves": False, "deaf": True, "waits": False})
    control.end("serves", 30)  # once more: nothing is to be done
    (left,) = supervisord.children()
    assert left.pid in before
    control.start("serves")
    control.start("serves")
    assert control.states()["serves"] in UP
    control.start("waits")
    wait_until(lambda: up(control) == {"serves": True, "deaf": True, "waits": True})
    assert left.is_running()


def test_one_that_does_not_end_is_killed_after_its_own_time(tmp_path: Path, supervisord: psutil.Process) -> None:
    control = Supervisor(tmp_path)
    control.end("deaf", 1)
    assert control.states()["deaf"] == ENDING, "it has a second"
    wait_until(lambda: control.states()["deaf"] == "STOPPED")


def test_what_supervisord_does_not_know_is_told(tmp_path: Path, supervisord: psutil.Process) -> None:
    control = Supervisor(tmp_path)
    for ask in (control.start, lambda name: control.end(name, 1)):
        with pytest.raises(UnknownProgram, match="no program gateway"):
            ask("gateway")


def test_nobody_is_asked_without_this_starts_secret(
    tmp_path: Path, supervisord: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADMIN_VARIABLE, "of another start")
    with pytest.raises(ControlError, match="401"):
        Supervisor(tmp_path).states()


def test_where_no_supervisord_is_that_is_said(tmp_path: Path, secret: str) -> None:
    with pytest.raises(ControlError, match=r"supervisord does not answer: .*No such file"):
        Supervisor(tmp_path).states()
