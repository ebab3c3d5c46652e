"""Shared memory that the GPU reads without the CPU's help."""

import logging

import torch

from server.pytorch.ipc.arena import Arena

log = logging.getLogger("bakeoff.pytorch")


def pin(arena: Arena) -> None:
    """Register the arena with CUDA for this process; where that is refused, copies are slower and nothing else changes."""
    runtime = torch.cuda.cudart()
    assert runtime is not None
    status = runtime.cudaHostRegister(arena.bytes.ctypes.data, arena.size, 0)
    if int(status) != 0:
        log.warning("shared memory could not be pinned (%s); raise the memory-lock limit (ulimit -l)", status)
