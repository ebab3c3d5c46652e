"""Shared memory that the GPU reads without the CPU's help."""

import logging
import weakref
from typing import Any

import torch

from server.ipc.arena import Arena

log = logging.getLogger("bakeoff.pytorch")


def pin(arena: Arena, gpu: int) -> None:
    """Register the arena with CUDA for this process, until nothing refers to `arena` any more; from any thread.

    Where that is refused, copies are slower and nothing else changes.
    """
    address = arena.bytes.ctypes.data
    with torch.cuda.device(gpu):  # a thread's own; by default the first, in whose memory this process has no context
        status = _runtime().cudaHostRegister(address, arena.size, 0)
    if int(status) == 0:
        weakref.finalize(arena, _unpin, address, gpu).atexit = False
    else:
        log.warning("shared memory could not be pinned (%s); raise the memory-lock limit (ulimit -l)", status)


def _unpin(address: int, gpu: int) -> None:
    with torch.cuda.device(gpu):
        _runtime().cudaHostUnregister(address)


def _runtime() -> Any:
    runtime = torch.cuda.cudart()
    assert runtime is not None
    return runtime
