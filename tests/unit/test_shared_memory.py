"""What is sized down to fit into /dev/shm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import shared_memory
from server.hardware import resolve
from server.settings import Settings, load_settings


@given(st.integers(0, 2**30), st.integers(1, 1024), st.integers(1, 64), st.integers(1, 2))
def test_what_is_chosen_is_the_most_that_fits_unless_it_is_the_least(
    total: int, batch: int, decoders: int, tritons: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_memory, "size", lambda: total)
        chosen = shared_memory.largest_batch(batch, tritons)
        processes = shared_memory.most_decoders(decoders, chosen, tritons)

    def fits(images: int, each: int) -> bool:
        return tritons * shared_memory.needed(images, each) <= shared_memory.USABLE * total

    halves = [batch >> times for times in range(batch.bit_length())]
    assert chosen == next((half for half in halves if fits(half, 1)), 1)
    assert processes == next((count for count in range(decoders, 0, -1) if fits(chosen, count)), 1)


def test_settings_and_hardware_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "size", lambda: 64 * 2**20)
    monkeypatch.setattr("server.hardware.available_cores", lambda: 16)
    settings = load_settings()
    assert settings.max_batch_size == 64
    assert resolve(settings).decode_workers == 1
    assert resolve(Settings(decode_workers=5)).decode_workers == 5  # asked for: the user knows


def test_without_a_triton_nothing_is_sized_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "size", lambda: 0)
    monkeypatch.setenv("BACKENDS", "pytorch")
    assert load_settings().max_batch_size == 128
