"""`python -m server.isolation`: the process that works for a `Pool`, which starts it and hands it its descriptors."""

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import traceback

from server.isolation import protocol
from server.isolation.errors import Refusal

NICE = 5
"""What strangers sent may take the processors that are idle; the engine, which computes for everybody, is not to wait for it."""


def main() -> None:
    """Do what is asked until whoever asks has gone; the kernel ends this process with SIGPROF when one task is too costly."""
    module, text, file, channel = sys.argv[1], sys.argv[2], int(sys.argv[3]), socket.socket(fileno=int(sys.argv[4]))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # its end is that of the process that started it
    os.nice(NICE)
    arguments = json.loads(text)
    cpu_s = arguments.pop("cpu_s")
    run = importlib.import_module(module).run
    with contextlib.suppress(ConnectionError):  # whoever asked has ended in the middle of it
        while (request := protocol.receive_request(channel)) is not None:
            size, task = request
            data = protocol.read(file, size)
            signal.setitimer(signal.ITIMER_PROF, cpu_s)
            try:
                result = memoryview(run(task, data, **arguments)).cast("B")
                protocol.write(file, result)
            except Refusal as error:
                protocol.send_message(channel, protocol.REFUSAL, str(error))
            except Exception as error:  # whoever asked has to be answered, whatever it was
                traceback.print_exc()
                protocol.send_message(channel, protocol.FAILURE, repr(error))
            else:
                protocol.send_result(channel, len(result))
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)


main()
