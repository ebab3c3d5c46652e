import pytest

from bench.fairness import Served, compare


def served(backend: str, precision: str | None = "fp16", batch: int | None = 128, delay: int | None = 0) -> Served:
    return Served(backend=backend, precision=precision, max_batch_size=batch, batch_delay_us=delay)


def test_the_same_settings_are_fair() -> None:
    assert compare([served("a"), served("b"), served("c")]).unfair == ()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (served("b", precision="fp32"), "precision differs: a fp16, b fp32"),
        (served("b", batch=64), "largest batch differs: a 128, b 64"),
        (served("b", delay=10_000), "batching delay in us differs: a 0, b 10000"),
        (served("b", delay=None), "batching delay in us differs: a 0, b untold"),
    ],
)
def test_a_difference_is_named(other: Served, says: str) -> None:
    assert compare([served("a"), other]).unfair == (says,)
