"""Having this stack's supervisord start and end one of its programs, over its socket (XML-RPC).

Who may is decided by the socket's folder, which is this user's alone, and by the secret of this start, which only the programs
have that administer others. So the XML that is parsed here is supervisord's own, and nobody else's.
"""

import http.client
import xmlrpc.client  # nosec B411
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from server.keys import admin_secret
from server.sockets import SUPERVISORD, socket_path

USER = "bakeoff"
"""As in `supervisord.conf`; the password is the secret."""

UP = ("STARTING", "RUNNING", "BACKOFF")
"""supervisord's states of a program that it keeps running."""

ENDING = "STOPPING"
"""That of one that was told to end and has not yet."""


class ControlError(RuntimeError):
    """supervisord does not answer, or refuses; the message says what."""


class UnknownProgram(ControlError):
    """supervisord has no such program."""


class Supervisor:
    """This stack's supervisord; any thread may use it."""

    def __init__(self, home: Path) -> None:
        """Take note of where `BAKEOFF_HOME` is."""
        self._home = home

    def states(self) -> dict[str, str]:
        """Return supervisord's state of every program.

        Raises:
            ControlError: there is no answer.
        """
        with self._asked() as rpc:
            return {one["name"]: one["statename"] for one in rpc.supervisor.getAllProcessInfo()}

    def start(self, program: str) -> None:
        """Start a program; nothing is done where it runs.

        Raises:
            UnknownProgram: there is none of that name.
            ControlError: it cannot be started.
        """
        with self._asked() as rpc, _unless(Faults.ALREADY_STARTED):
            rpc.supervisor.startProcess(_full_name(rpc, program), False)

    def end(self, program: str, seconds: float) -> None:
        """Send a program SIGTERM, kill it after `seconds`, and do not start it again; return at once.

        Raises:
            UnknownProgram: there is none of that name.
            ControlError: there is no answer.
        """
        with self._asked() as rpc, _unless(Faults.NOT_RUNNING):
            rpc.bakeoff.end(_full_name(rpc, program), seconds)

    @contextmanager
    def _asked(self) -> Iterator[Any]:
        try:
            path = socket_path(self._home, SUPERVISORD)
            transport = SupervisorTransport(USER, admin_secret(), f"unix://{path}")
            with xmlrpc.client.ServerProxy("http://supervisord", transport=transport) as rpc:
                yield rpc
        except xmlrpc.client.Fault as fault:
            raise ControlError(f"supervisord refuses: {fault.faultString}") from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise ControlError(f"supervisord does not answer: {error}") from None


@contextmanager
def _unless(code: int) -> Iterator[None]:
    """Go on where supervisord refuses with `code`: what was asked for is so already."""
    try:
        yield
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != code:
            raise


def _full_name(rpc: Any, program: str) -> str:
    for one in rpc.supervisor.getAllProcessInfo():
        if one["name"] == program:
            return f"{one['group']}:{program}"
    raise UnknownProgram(f"supervisord.conf has no program {program}")
