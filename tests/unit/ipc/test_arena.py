"""Blocks never overlap, are all given back, and stay while an engine works on them."""

import os
import stat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ipc.arena import PAGE, Allocator, Arena, ArenaFull, blocks

SIZE = 64 * PAGE


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20 * PAGE), st.integers(0, 10**6)), max_size=80))
def test_blocks_never_overlap_and_come_back_whole(steps: list[tuple[bool, int, int]]) -> None:
    allocator = Allocator(SIZE)
    held: list[tuple[int, int]] = []
    for give_back, size, which in steps:
        if give_back and held:
            allocator.free(*held.pop(which % len(held)))
            continue
        try:
            offset, taken = allocator.allocate(size)
        except ArenaFull:
            assert largest_gap(held) < size
            continue
        assert taken >= size
        assert 0 <= offset <= SIZE - taken
        assert all(offset + taken <= other or other + length <= offset for other, length in held)
        held.append((offset, taken))
        assert allocator.free_bytes == SIZE - sum(length for _, length in held)
    for block in held:
        allocator.free(*block)
    assert allocator.allocate(SIZE) == (0, SIZE)


def largest_gap(held: list[tuple[int, int]]) -> int:
    """Return the most bytes that follow each other outside of all blocks."""
    starts = [offset for offset, _ in sorted(held)] + [SIZE]
    ends = [0] + [offset + length for offset, length in sorted(held)]
    return max(start - end for start, end in zip(starts, ends, strict=True))


def test_a_second_mapping_sees_the_same_bytes() -> None:
    arena = Arena.create(3 * PAGE + 1)
    other = Arena(arena.fileno())
    assert other.size == 4 * PAGE
    arena.view(5, 3)[:] = 7
    assert other.view(4, 5).tolist() == [0, 7, 7, 7, 0]


@pytest.mark.parametrize(("offset", "size"), [(-1, 2), (0, PAGE + 1), (PAGE, 1), (0, -1)])
def test_bytes_outside_are_refused(offset: int, size: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        Arena.create(PAGE).view(offset, size)


def test_data_that_is_inside_is_not_copied() -> None:
    arena, allocator = Arena.create(SIZE), Allocator(SIZE)
    with blocks(arena, allocator) as memory:
        offset = memory.allocate(100)
        arena.view(offset, 100)[:] = np.arange(100, dtype=np.uint8)
        part = memoryview(arena.view(offset, 100))[10:20]
        assert memory.place(part) == offset + 10
        copied = memory.place(bytes(part))
        assert copied != offset + 10
        assert arena.view(copied, 10).tolist() == list(range(10, 20))


def test_blocks_stay_while_any_engine_holds_them() -> None:
    arena, allocator = Arena.create(SIZE), Allocator(SIZE)
    with blocks(arena, allocator) as memory:
        memory.array((3, 512), np.float32)
        memory.hold()
        memory.hold()
        held = allocator.free_bytes
    assert allocator.free_bytes == held < SIZE
    memory.drop()
    assert allocator.free_bytes == held
    memory.drop()
    assert allocator.free_bytes == SIZE


def test_a_failing_handler_leaves_nothing() -> None:
    arena, allocator = Arena.create(SIZE), Allocator(SIZE)

    def handler() -> None:
        with blocks(arena, allocator) as memory:
            memory.allocate(PAGE)
            memory.allocate(SIZE)

    with pytest.raises(ArenaFull):
        handler()
    assert allocator.free_bytes == SIZE


def test_its_memory_is_for_nobody_else() -> None:
    assert stat.S_IMODE(os.fstat(Arena.create(PAGE).fileno()).st_mode) == 0o600
