"""The program `console`, by itself on its socket."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from server.sockets import CONSOLE, socket_path
from tests.doubles.running import ROOT

STARTED_WITHIN_S = 60


@contextmanager
def console(home: Path, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    (home / "state").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "BAKEOFF_HOME": str(home), **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "server.console"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def ask(path: Path, what: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://console") as client:
        return client.get(what)


def wait(path: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + STARTED_WITHIN_S
    while True:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(str(path)) == 0:
                return
        time.sleep(0.05)


def test_it_answers_and_ends_at_once_with_connections_open(tmp_path: Path) -> None:
    path = socket_path(tmp_path, CONSOLE)
    with console(tmp_path) as process:
        wait(path, process)
        assert ask(path, "/ready").status_code == 503
        assert ask(path, "/").status_code == 200
        head = ask(path, "/health").headers
        assert not {"date", "server"} & head.keys()
        with socket.socket(socket.AF_UNIX) as idle:
            idle.connect(str(path))
            process.terminate()
            assert process.wait(20) in (0, -signal.SIGTERM)
        assert "Traceback" not in process.communicate()[1]


def test_it_takes_the_place_of_one_that_was_killed(tmp_path: Path) -> None:
    path = socket_path(tmp_path, CONSOLE)
    for _ in range(2):
        with console(tmp_path) as process:
            wait(path, process)
            assert ask(path, "/health").status_code == 200
    assert path.is_socket()


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"MAX_BATCH_SIZE": "0"}, "MAX_BATCH_SIZE='0'"), ({"BAKEOFF_HOME": "{home}/none"}, "no socket can be made at")],
)
def test_what_keeps_it_from_starting_is_one_line(settings: dict[str, str], words: str) -> None:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as home,  # a longer path would have its socket elsewhere
        console(Path(home), **{name: value.format(home=home) for name, value in settings.items()}) as process,
    ):
        _, said = process.communicate(timeout=STARTED_WITHIN_S)
    assert process.returncode == 1
    assert words in said
    assert len(said.splitlines()) == 1
