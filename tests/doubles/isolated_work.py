"""Work for the tests of `server.isolation`, which its processes import by name."""

import ctypes
import os
import time

from server.isolation import Refusal


def run(task: str, data: memoryview, *, greeting: str) -> bytes:
    """Do as the task says."""
    match task:
        case "echo":
            return greeting.encode() + bytes(data)
        case "pid":
            return str(os.getpid()).encode()
        case "refuse":
            raise Refusal("not this")
        case "fail":
            raise ValueError("broken")
        case "spin":
            while True:
                pass
        case "sleep":
            time.sleep(60)
        case "crash":
            ctypes.string_at(0)
    return b""
