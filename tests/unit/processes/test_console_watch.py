"""A console that answers no more is ended, and one that is only starting is not."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.processes import console_watch
from server.processes.console_watch import ConsoleWatch
from server.settings import Settings
from server.sockets import CONSOLE, listen, socket_path


class Clock:
    """That the tests set forward."""

    now = 100.0


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(console_watch, "time", SimpleNamespace(monotonic=lambda: Clock.now))
    monkeypatch.setattr(console_watch, "ANSWER_S", 0.2)
    found = Settings(bakeoff_home=tmp_path, hang_timeout_s=30)
    found.home.state.mkdir()
    return found


@pytest.fixture
def listener(settings: Settings) -> Iterator[socket.socket]:
    with listen(socket_path(settings.bakeoff_home, CONSOLE)) as made:
        yield made


def answer_once(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        assert connection.recv(100).startswith(b"GET /health ")
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def look(watch: ConsoleWatch, listener: socket.socket) -> bool:
    """Look at a console that answers."""
    thread = threading.Thread(target=answer_once, args=(listener,))
    thread.start()
    try:
        return watch.hangs()
    finally:
        thread.join(5)


def test_one_that_has_answered_hangs_after_a_while_and_its_successor_does_not(
    settings: Settings, listener: socket.socket
) -> None:
    watch = ConsoleWatch(settings)
    assert not look(watch, listener)
    Clock.now += 29
    assert not watch.hangs()
    Clock.now += 2
    assert watch.hangs()
    watch.started()
    Clock.now += 31
    assert not watch.hangs()


def test_one_that_answers_again_does_not_hang(settings: Settings, listener: socket.socket) -> None:
    watch = ConsoleWatch(settings)
    assert not look(watch, listener)
    Clock.now += 100
    assert not look(watch, listener)


def test_one_that_never_answered_has_the_time_that_a_start_may_take(settings: Settings) -> None:
    watch = ConsoleWatch(settings)
    Clock.now += console_watch.START_S + 29
    assert not watch.hangs()
    Clock.now += 2
    assert watch.hangs()
