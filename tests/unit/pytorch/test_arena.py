"""Blocks never overlap, are all given back, and stay while an engine works on them."""

from copy import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.pytorch.ipc.arena import PAGE, Allocator, Arena, ArenaFull, blocks

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


def test_images_anywhere_in_the_arena_are_not_copied() -> None:
    arena, allocator = Arena.create(SIZE), Allocator(SIZE)
    with blocks(arena, allocator) as memory:
        for offset in (0, PAGE, SIZE - 12):
            image = arena.view(offset, 12).reshape(3, 2, 2)
            assert memory.place(image) == offset
        assert allocator.free_bytes == SIZE


def test_images_outside_are_copied_in_c_order() -> None:
    whole = Arena.create(SIZE)
    arena = copy(whole)
    arena.size = PAGE  # what lies just behind an arena is no part of it
    with blocks(arena, Allocator(PAGE)) as memory:
        behind = whole.view(PAGE, 12)
        behind[:] = range(12)
        offset = memory.place(behind.reshape(3, 2, 2))
        assert offset == 0
        assert memory.view(offset, 12).tolist() == list(range(12))


def test_an_image_that_does_not_lie_in_c_order_is_copied_so() -> None:
    arena, allocator = Arena.create(SIZE), Allocator(SIZE)
    with blocks(arena, allocator) as memory:
        file_order = arena.view(memory.allocate(12), 12)
        file_order[:] = range(12)
        turned = file_order.reshape(2, 2, 3).transpose(2, 0, 1)
        offset = memory.place(turned)
        assert memory.view(offset, 12).tolist() == turned.ravel().tolist()


def test_an_array_has_its_shape_and_lies_in_the_arena() -> None:
    arena, allocator = Arena.create(SIZE), Allocator(SIZE)
    with blocks(arena, allocator) as memory:
        memory.allocate(1)
        array, offset = memory.array((3, 512), np.float32)
        assert (array.shape, array.dtype, offset) == ((3, 512), np.float32, PAGE)
        array[:] = 1.5
        assert memory.view(offset, 3 * 512 * 4).view(np.float32).tolist() == [1.5] * (3 * 512)


def test_no_bytes_are_inside_and_those_outside_are_told() -> None:
    arena = Arena.create(PAGE)
    assert len(arena.view(PAGE, 0)) == 0
    with pytest.raises(ValueError, match=r"^bytes 4090 to 4100 are outside of an arena of 4096$"):
        arena.view(4090, 10)


@pytest.mark.parametrize(("size", "pages"), [(0, 1), (1, 1), (PAGE, 1), (PAGE + 1, 2), (3 * PAGE - 1, 3)])
def test_blocks_are_whole_pages(size: int, pages: int) -> None:
    allocator = Allocator(SIZE)
    assert allocator.allocate(size) == (0, pages * PAGE)
    offset, _ = allocator.allocate(1)
    assert (offset, type(offset)) == (pages * PAGE, int)


def test_a_full_arena_tells_what_is_free_and_in_how_many_pieces() -> None:
    allocator = Allocator(4 * PAGE)
    held = [allocator.allocate(PAGE) for _ in range(4)]
    allocator.free(*held[0])
    allocator.free(*held[2])
    with pytest.raises(ArenaFull, match=r"^no room for 4097 bytes; 8192 are free, in 2 pieces$"):
        allocator.allocate(PAGE + 1)
