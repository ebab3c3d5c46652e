"""Work for the tests of `server.isolation`, which its processes import by name."""

import ctypes
import os
import time

from server.isolation import Refusal, protocol


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
        case "overstate":
            send = protocol.send_result
            protocol.send_result = lambda channel, size: send(channel, size + 1)
        case "crash":
            ctypes.string_at(0)
    return b""
