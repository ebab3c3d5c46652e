"""Counters are read by name, summed over a model's versions, and only ever grow."""

from typing import Any

import pytest

from server.oip.counters import CountersResetError, Reading, read_counters


def version(first: int) -> dict[str, Any]:
    """Return a version's statistics, of which every figure differs."""
    names = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    return {
        "inference_stats": {name: {"count": first + i, "ns": 100 * (first + i)} for i, name in enumerate(names)},
    }


def test_a_model_s_versions_add_up() -> None:
    assert read_counters({"model_stats": [version(1), version(11)]}) == Reading(
        successes=1 + 11,
        failures=2 + 12,
        total_ns=100 + 1100,
        queue_ns=300 + 1300,
        input_ns=400 + 1400,
        infer_ns=500 + 1500,
        output_ns=600 + 1600,
    )


@pytest.mark.parametrize("document", [{}, {"model_stats": [{}]}, {"model_stats": None}])
def test_what_is_no_statistics_document_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^no statistics in the answer: .+ is missing$"):
        read_counters(document)


def test_a_counter_that_went_backwards_is_told() -> None:
    before, after = Reading(5, 0, 9, 9, 9, 9, 9), Reading(6, 0, 8, 9, 9, 9, 9)
    with pytest.raises(CountersResetError, match=r"^the server's counters went backwards$"):
        after - before
    assert after - after == Reading(0, 0, 0, 0, 0, 0, 0)
