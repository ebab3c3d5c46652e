"""What supervisord's own interface lacks: ending one program with a time of its own.

`stopProcess` waits for `stopwaitsecs` and then kills, which is a share of STOP_TIMEOUT, in which everything has to be stopped. A
program that is ended while the others go on serving has as long as its requests take. supervisord loads this into itself by
`[rpcinterface:bakeoff]` (its manual: "XML-RPC API, Writing an RPC interface").
"""

import time
from typing import Any

from supervisor.rpcinterface import SupervisorNamespaceRPCInterface


class Ending:
    """The methods of the namespace `bakeoff`."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        self._own = SupervisorNamespaceRPCInterface(supervisord)

    def end(self, name: str, seconds: float) -> bool:
        """Send a program SIGTERM and do not start it again; return at once.

        Args:
            name: `GROUP:PROGRAM`.
            seconds: after which it is killed.

        Raises:
            RPCError: supervisord's own, such as that it does not run.
        """
        self._own.stopProcess(name, False)
        group, _, program = name.partition(":")
        self._supervisord.process_groups[group].processes[program].delay = time.time() + seconds
        return True


def make_interface(supervisord: Any) -> Ending:
    """Return what answers for the namespace, as supervisord asks for it."""
    return Ending(supervisord)
