"""Telling a console that hangs: it would hold its socket, and nobody else would end it."""

import socket
import time

from server.console_paths import ALIVE
from server.settings import Settings
from server.sockets import CONSOLE, socket_path

ANSWER_S = 2.0

START_S = 30.0
"""In which it starts: ten times what that takes, and after the longest pause (`server/processes/crash_loop.py`)."""


class ConsoleWatch:
    """Asks it now and then."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.started()

    def started(self) -> None:
        """Begin anew with a console that has just been started."""
        self._silent_from = time.monotonic() + START_S

    def hangs(self) -> bool:
        """Ask once; tell whether it has not answered for `HANG_TIMEOUT_S`."""
        if self._answers():
            self._silent_from = time.monotonic()
        return time.monotonic() - self._silent_from > self._settings.hang_timeout_s

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ANSWER_S)
                connection.connect(str(socket_path(self._settings.bakeoff_home, CONSOLE)))
                connection.sendall(f"GET {ALIVE} HTTP/1.0\r\n\r\n".encode())
                return bool(connection.recv(1))
        except OSError:
            return False
