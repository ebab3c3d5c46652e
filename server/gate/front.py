"""Who has port 8002: without the backend whose own it is, the gateway does."""

from server.http.listener import Holder, holder
from server.settings import Settings
from server.sockets import SocketProblem

GATEWAY = "gateway"
"""supervisord's name for the program that has port 8002 instead."""


def accepts(settings: Settings, program: str) -> bool:
    """Tell whether a program took port 8002 last and accepts its connections.

    Then the one that had it before knows that, and ends without refusing anybody.
    """
    try:
        return holder(settings.bakeoff_home) == Holder(program, accepts=True)
    except SocketProblem:
        return False
