"""A double of an engine's process: the real channels, and a model that embeds an image as its first value.

It loads for `DOUBLE_LOADS_S` seconds, and not at all while the file `DOUBLE_FAILS` exists.
"""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from server import logs
from server.ipc import inherited, lifeline
from server.ipc.counters import Counters
from server.ipc.messages import Done, EmbedPixels, Loaded, ToEngine
from server.oip.spec import ENCODED_MODEL, IMAGE_BYTES, PIXEL_MODEL
from server.pytorch.engine.channels import Channel, Channels, Service
from server.pytorch.engine.connect import connect
from server.settings import load_settings


class Double(Service):
    """Answers at once, in the thread that reads."""

    def __init__(self, counters: Counters, row: int) -> None:
        self._counters = counters
        self._row = row
        self._statistics = counters.statistics(row)[PIXEL_MODEL]

    def greet(self, channel: Channel) -> None:
        channel.send(Loaded("fp32", "cpu"))

    def handle(self, channel: Channel, message: ToEngine) -> None:
        if isinstance(message, EmbedPixels):
            pixels = channel.arena.view(message.offset, message.count * IMAGE_BYTES).reshape(message.count, -1)
            channel.result(message.result, message.count)[:] = pixels[:, :1]
            self._statistics.record_execution(message.count, 1, 1, 1)
            channel.send(Done(message.id, None, [], 0, 1, 1, 1))

    def forget(self, channel: Channel) -> None:
        return

    def beat(self) -> None:
        self._counters.beat(self._row)


def main() -> None:
    """Be one until all workers have gone and no more will come."""
    own = inherited.parse(sys.argv[1:])
    lifeline.watch(own.lifeline)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    logs.configure("info")
    time.sleep(float(os.environ.get("DOUBLE_LOADS_S", "0")))
    if Path(os.environ.get("DOUBLE_FAILS", "/nonexistent")).exists():
        sys.exit("this double was told to fail")
    counters = Counters(own.counters, (PIXEL_MODEL, ENCODED_MODEL), load_settings().max_batch_size)
    channels = Channels()
    arguments = socket.socket(fileno=own.control), channels, None
    threading.Thread(target=connect, args=arguments, daemon=True).start()
    channels.serve(Double(counters, own.row))


if __name__ == "__main__":
    main()
