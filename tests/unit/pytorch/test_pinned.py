"""A worker's memory is registered with CUDA for as long as an engine uses it; CUDA is a double."""

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from server.ipc.arena import PAGE, Arena
from server.pytorch.engine import pinned


class Cuda:
    """Takes note of what is registered, and by a context of which GPU."""

    def __init__(self) -> None:
        self.status = 0
        self.gpu: int | None = None
        self.done: list[tuple[str, int | None, int]] = []

    @contextlib.contextmanager
    def device(self, gpu: int) -> Iterator[None]:
        self.gpu = gpu
        yield
        self.gpu = None

    def cudaHostRegister(self, address: int, size: int, flags: int) -> int:  # noqa: N802
        assert (size, flags) == (PAGE, 0)
        self.done.append(("register", self.gpu, address))
        return self.status

    def cudaHostUnregister(self, address: int) -> int:  # noqa: N802
        self.done.append(("unregister", self.gpu, address))
        return 0


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    double = Cuda()
    monkeypatch.setattr(torch.cuda, "device", double.device)
    monkeypatch.setattr(pinned, "_runtime", lambda: double)
    return double


def test_memory_of_a_worker_that_died_is_given_back_to_the_gpu_that_it_was_registered_for(cuda: Cuda) -> None:
    arena = Arena.create(PAGE)
    arena.close()
    address = arena.bytes.ctypes.data
    view = arena.view(0, 3)  # a batch may still be referred to
    pinned.pin(arena, 1)
    assert cuda.done == [("register", 1, address)]
    del arena
    assert cuda.done == [("register", 1, address), ("unregister", 1, address)]
    assert np.array_equal(view, [0, 0, 0])


def test_what_could_not_be_registered_is_not_given_back(cuda: Cuda, caplog: pytest.LogCaptureFixture) -> None:
    cuda.status = 2
    arena = Arena.create(PAGE)
    arena.close()
    pinned.pin(arena, 0)
    assert "shared memory could not be pinned (2); raise the memory-lock limit" in caplog.text
    del arena
    assert [what for what, *_ in cuda.done] == ["register"]
