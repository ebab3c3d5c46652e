"""Metrics pages as they were recorded from both kinds of server, and the arithmetic between two of them."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.http.metrics import FINE_SECONDS
from server.live.figures import Figures, latency, rates, read_figures
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL, PREPROCESS_MODEL

RECORDED = Path(__file__).parent / "recorded"


@pytest.mark.parametrize(
    ("name", "images", "executions", "requests", "failures", "queue_s", "waiting"),
    [
        ("triton", 302, 188, (188, 179), 0, 1.789036, {"requests": 0}),
        ("pytorch", 304, 190, (189, 180), 1, 4.070171, {"images": 0}),
    ],
)
def test_a_recorded_page_is_read(
    name: str,
    images: int,
    executions: int,
    requests: tuple[int, int],
    failures: int,
    queue_s: float,
    waiting: dict[str, float],
) -> None:
    found = read_figures((RECORDED / f"{name}.txt").read_text(), 1.0)
    assert (found.images, found.executions, found.failures, found.waiting) == (images, executions, failures, waiting)
    assert (found.requests[PIXEL_MODEL], found.requests[ENCODED_MODEL]) == requests
    assert found.queue_s == pytest.approx(queue_s)
    took = latency(Figures(0.0), found)
    assert took is not None
    assert took.model == ENCODED_MODEL
    assert 0 < took.p50_ms <= took.p99_ms < 60_000


def test_failures_of_both_models_count_by_every_reason_and_those_of_the_step_between_do_not() -> None:
    page = "# TYPE nv_inference_request_failure counter\n" + "".join(
        f'nv_inference_request_failure{{model="{model}",reason="{reason}"}} {count}\n'
        for model, reason, count in (
            (PIXEL_MODEL, "REJECTED", 1), (PIXEL_MODEL, "OTHER", 2), (ENCODED_MODEL, "OTHER", 4), (PREPROCESS_MODEL, "OTHER", 8)
        )
    )  # fmt: skip
    assert read_figures(page, 1.0).failures == 7


def test_rates_are_per_second_of_what_was_added() -> None:
    before = Figures(10.0, images=100, executions=50, requests={PIXEL_MODEL: 60}, failures=1, queue_s=2.0)
    now = Figures(12.0, images=180, executions=60, requests={PIXEL_MODEL: 80}, failures=5, queue_s=2.1)
    found = rates(before, now)
    assert found is not None
    assert (found.images_per_s, found.requests_per_s, found.failures_per_s, found.batch) == (40, 10, 2, 8)
    assert found.queue_ms == pytest.approx(5)


def test_nothing_happened_is_zero_and_no_mean() -> None:
    found = rates(Figures(1.0, images=5), Figures(2.0, images=5))
    assert found is not None
    assert (found.images_per_s, found.batch, found.queue_ms) == (0, None, None)


def test_a_restart_has_no_rates() -> None:
    assert rates(Figures(1.0, images=5), Figures(2.0, images=1)) is None


def test_no_request_has_no_latency() -> None:
    now = Figures(2.0, requests={ENCODED_MODEL: 3.0})
    now.summaries[ENCODED_MODEL] = {0.5: 0.1, 0.99: 0.2}
    assert latency(Figures(1.0, requests={ENCODED_MODEL: 3.0}), now) is None
    assert latency(Figures(1.0), now) is not None


def test_what_is_no_metrics_page_is_refused() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the parser's own
        read_figures("<html>", 0.0)


@given(st.lists(st.floats(0.001, 9.0), min_size=1, max_size=200))
def test_percentiles_of_a_histogram_are_within_its_buckets_of_the_exact_ones(seconds: list[float]) -> None:
    now = Figures(1.0, requests={PIXEL_MODEL: len(seconds)})
    for bound in (*FINE_SECONDS, math.inf):
        now.buckets[PIXEL_MODEL][bound] = sum(value <= bound for value in seconds)
    found = latency(Figures(0.0), now)
    assert found is not None
    ordered = sorted(seconds)
    for quantile, told in ((0.5, found.p50_ms), (0.99, found.p99_ms)):
        exact = ordered[math.ceil(quantile * len(ordered)) - 1]
        assert exact / 1.27 <= told / 1e3 <= exact * 1.27
