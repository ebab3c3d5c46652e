"""Shared memory of one worker and the engines: request bodies and pixels in, embeddings out, without a copy between.

The memory is anonymous (`memfd_create`), so it has no name to clean up and does not count against `/dev/shm`, which is
64 MB in a container by default. It ends with the last process that holds it.
"""

import bisect
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import numpy as np
import numpy.typing as npt

PAGE = 4096
"""Allocation unit in bytes."""

Bytes = npt.NDArray[np.uint8]


class ArenaFull(RuntimeError):
    """No room until earlier requests are answered."""


class Arena:
    """The memory itself, mapped in this process."""

    def __init__(self, descriptor: int) -> None:
        """Map what `descriptor` refers to; the descriptor stays the caller's."""
        self.size = os.fstat(descriptor).st_size
        self._descriptor = descriptor
        self.bytes: Bytes = np.frombuffer(mmap.mmap(descriptor, self.size), np.uint8)

    @classmethod
    def create(cls, size: int) -> Self:
        """Make an arena of `size` bytes, rounded up to whole pages; a page takes memory once it is used."""
        descriptor = os.memfd_create("bakeoff-arena")
        os.fchmod(descriptor, 0o600)  # 0777 whatever the umask; who holds a photo's memory is nobody else's business
        os.ftruncate(descriptor, -(-size // PAGE) * PAGE)
        return cls(descriptor)

    def fileno(self) -> int:
        """Return the descriptor, to be handed to another process."""
        return self._descriptor

    def close(self) -> None:
        """Close the descriptor; the memory stays for as long as something here refers to it."""
        os.close(self._descriptor)

    def view(self, offset: int, size: int) -> Bytes:
        """Return `size` bytes at `offset`.

        Raises:
            ValueError: they are not all inside the arena.
        """
        if offset < 0 or size < 0 or offset + size > self.size:
            raise ValueError(f"bytes {offset} to {offset + size} are outside of an arena of {self.size}")
        return self.bytes[offset : offset + size]


class Allocator:
    """Hands out blocks of an arena, first fit; used by the one process that owns it."""

    def __init__(self, size: int) -> None:
        self._holes: list[tuple[int, int]] = [(0, size)]  # offset and size, by offset, never touching

    @property
    def free_bytes(self) -> int:
        """Bytes not handed out now."""
        return sum(size for _, size in self._holes)

    def allocate(self, size: int) -> tuple[int, int]:
        """Return the offset and the rounded size of a block of at least `size` bytes.

        Raises:
            ArenaFull: no hole is large enough.
        """
        wanted = max(1, -(-size // PAGE)) * PAGE
        for index, (offset, length) in enumerate(self._holes):
            if length >= wanted:
                if length == wanted:
                    del self._holes[index]
                else:
                    self._holes[index] = (offset + wanted, length - wanted)
                return offset, wanted
        raise ArenaFull(f"no room for {size} bytes; {self.free_bytes} are free, in {len(self._holes)} pieces")

    def free(self, offset: int, size: int) -> None:
        """Take a block back, as `allocate` returned it."""
        index = bisect.bisect(self._holes, (offset, 0))
        if index < len(self._holes) and offset + size == self._holes[index][0]:
            size += self._holes.pop(index)[1]
        if index and sum(self._holes[index - 1]) == offset:
            offset, before = self._holes[index - 1][0], self._holes[index - 1][1]
            self._holes[index - 1] = (offset, before + size)
        else:
            self._holes.insert(index, (offset, size))


class Blocks:
    """The blocks of one HTTP request: freed when its handler is done and no engine works on them any more."""

    def __init__(self, arena: Arena, allocator: Allocator) -> None:
        self._arena = arena
        self._allocator = allocator
        self._blocks: list[tuple[int, int]] = []
        self._holders = 1  # the handler

    def allocate(self, size: int) -> int:
        """Return the offset of a new block of at least `size` bytes.

        Raises:
            ArenaFull: there is no room now.
        """
        block = self._allocator.allocate(size)
        self._blocks.append(block)
        return block[0]

    def array(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> tuple[npt.NDArray[np.generic], int]:
        """Return an array in a new block, and the block's offset.

        Raises:
            ArenaFull: there is no room now.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        offset = self.allocate(size)
        return self._arena.view(offset, size).view(dtype).reshape(shape), offset

    def place(self, data: bytes | memoryview | Bytes) -> int:
        """Return where `data` is in the arena; it is copied there unless it is there already.

        Raises:
            ArenaFull: it has to be copied and there is no room now.
        """
        array = data.reshape(-1) if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
        inside = array.ctypes.data - self._arena.bytes.ctypes.data
        if 0 <= inside <= self._arena.size - array.size:
            return int(inside)
        offset = self.allocate(array.size)
        self._arena.view(offset, array.size)[:] = array
        return offset

    def view(self, offset: int, size: int) -> Bytes:
        """Return `size` bytes of the arena at `offset`."""
        return self._arena.view(offset, size)

    def hold(self) -> None:
        """Keep the blocks until `drop`: an engine reads or writes them, whatever becomes of the handler."""
        self._holders += 1

    def drop(self) -> None:
        """Undo one `hold`."""
        self._holders -= 1
        if self._holders == 0:
            for block in self._blocks:
                self._allocator.free(*block)
            self._blocks.clear()


@contextmanager
def blocks(arena: Arena, allocator: Allocator) -> Iterator[Blocks]:
    """Give a handler its blocks."""
    own = Blocks(arena, allocator)
    try:
        yield own
    finally:
        own.drop()
