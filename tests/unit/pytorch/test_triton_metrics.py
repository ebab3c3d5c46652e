"""The server's counters under Triton's names."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from server.ipc.counters import Counters
from server.live.figures import Figures, rates, read_figures
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.oip.statistics import ModelStatistics
from server.pytorch.triton_metrics import TritonMetrics

MS = 1_000_000


def page(collector: TritonMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


@pytest.fixture
def statistics() -> dict[str, ModelStatistics]:
    return Counters.create(1, (PIXEL_MODEL, ENCODED_MODEL), 8).statistics(0)


def test_the_pixel_models_counts_contain_those_of_files(statistics: dict[str, ModelStatistics]) -> None:
    statistics[ENCODED_MODEL].record_success(3, 1 * MS, 2 * MS, 3 * MS, 4 * MS)
    statistics[PIXEL_MODEL].record_success(2, 5 * MS, 0, 3 * MS, 0)
    statistics[PIXEL_MODEL].record_execution(5, 0, 3 * MS, 0)  # both requests in one batch
    statistics[PIXEL_MODEL].record_failure(MS)
    found = read_figures(page(TritonMetrics(statistics)), 1.0)
    assert found.requests == {ENCODED_MODEL: 1, PIXEL_MODEL: 2}
    assert (found.images, found.executions, found.failures) == (5, 1, 1)
    between = rates(Figures(0.0), found)
    assert between is not None
    assert (between.images_per_s, between.requests_per_s, between.batch) == (5, 2, 5)
    assert between.queue_ms == pytest.approx(3)
