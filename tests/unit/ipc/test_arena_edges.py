"""What lies at the edges of an arena, just behind it, or not in C order."""

from copy import copy

import numpy as np
import pytest

from server.ipc.arena import PAGE, Allocator, Arena, ArenaFull, blocks

SIZE = 64 * PAGE


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
