"""The thread that takes in workers: those that there are at the start, and each that takes the place of one that died."""

import logging
import os
import socket

from server.ipc import handover
from server.ipc.arena import Arena
from server.pytorch.engine.channels import Channels

log = logging.getLogger("bakeoff.pytorch")


def connect(control: socket.socket, channels: Channels, gpu: int | None) -> None:
    """Take in what the parent hands over, until no more will come.

    Args:
        gpu: the CUDA device that is to read the workers' memory; None for the CPU.
    """
    try:
        while (worker := handover.receive(control)) is not None:
            assert worker.arena is not None
            arena = Arena(worker.arena)
            arena.close()
            if gpu is not None:
                from server.pytorch.engine.pinned import pin

                pin(arena, gpu)
            channels.add(worker.channel, arena)
    except Exception as error:  # it would serve the others, and never be missed by the one that it does not serve
        log.error("a worker cannot be connected, so the engine ends and is started again: %r", error)
        os._exit(1)
    channels.finish()
