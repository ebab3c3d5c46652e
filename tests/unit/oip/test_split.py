"""Where one request's time went, from two readings of a server's statistics."""

from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL, PREPROCESS_MODEL
from server.oip.split import readings, split_between

DURATIONS = ("success", "queue", "compute_input", "compute_infer", "compute_output")


def reading(**models: tuple[int, ...]) -> object:
    """Make a statistics document: by model the count and the milliseconds of DURATIONS."""
    names = {"encoded": ENCODED_MODEL, "pixels": PIXEL_MODEL, "preprocess": PREPROCESS_MODEL}
    return readings(
        {
            "model_stats": [
                {
                    "name": names[key],
                    "inference_stats": {"fail": {"count": 0, "ns": 0}}
                    | {
                        name: {"count": count, "ns": ms * 1_000_000}
                        for name, ms in zip(DURATIONS, milliseconds, strict=True)
                    },
                }
                for key, (count, *milliseconds) in models.items()
            ]
        }
    )


def test_a_plain_models_input_is_its_preparation() -> None:
    split = split_between(reading(encoded=(1, 9, 9, 9, 9, 9)), reading(encoded=(2, 29, 10, 14, 20, 11)))  # type: ignore[arg-type]
    assert split is not None
    assert (split.requests, split.total_ms, split.queue_ms, split.prepare_ms, split.compute_ms) == (1, 20, 1, 5, 13)


def test_an_ensembles_parts_are_taken() -> None:
    before = reading(encoded=(0, 0, 0, 0, 0, 0), preprocess=(0, 0, 0, 0, 0, 0), pixels=(5, 50, 5, 5, 5, 5))
    after = reading(encoded=(2, 60, 0, 0, 0, 0), preprocess=(2, 20, 2, 4, 6, 8), pixels=(7, 90, 9, 7, 25, 7))
    split = split_between(before, after)  # type: ignore[arg-type]
    assert split is not None
    assert (split.requests, split.total_ms, split.queue_ms, split.prepare_ms, split.compute_ms) == (2, 30, 3, 9, 12)


def test_what_is_not_counted_yet_is_not_told() -> None:
    nothing = reading(encoded=(1, 1, 1, 1, 1, 1), preprocess=(1, 1, 1, 1, 1, 1), pixels=(1, 1, 1, 1, 1, 1))
    half = reading(encoded=(2, 2, 2, 2, 2, 2), preprocess=(2, 2, 2, 2, 2, 2), pixels=(1, 1, 1, 1, 1, 1))
    assert split_between(nothing, nothing) is None  # type: ignore[arg-type]
    assert split_between(nothing, half) is None  # type: ignore[arg-type]
