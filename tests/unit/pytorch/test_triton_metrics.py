"""The server's counters under Triton's names, and what is true of the whole container."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from server.ipc.counters import Counters
from server.live.figures import Figures, rates, read_figures
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.oip.statistics import ModelStatistics
from server.pytorch.stack_metrics import StackMetrics
from server.pytorch.triton_metrics import TritonMetrics
from server.settings import Settings
from tests.browser.recorded_states import invented_failure, put, recorded

MS = 1_000_000


def page(collector: TritonMetrics | StackMetrics) -> str:
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


def test_readiness_start_and_parity_of_all_backends(tmp_path: Path) -> None:
    put(tmp_path, recorded("ready"))
    text = page(StackMetrics(Settings(bakeoff_home=tmp_path)))
    assert "bakeoff_ready 1.0" in text
    for name in ("pytorch", "onnx", "tensorrt"):
        assert f'bakeoff_backend_ready{{backend="{name}"}} 1.0' in text
        assert f'bakeoff_backend_state{{backend="{name}",state="ready"}} 1.0' in text
        assert f'bakeoff_backend_state{{backend="{name}",state="failed"}} 0.0' in text
        assert f'bakeoff_parity_error{{backend="{name}",input="pixels"}}' in text
    assert 'bakeoff_startup_seconds{backend="tensorrt",state="compiling"}' in text
    assert 'pretrained="random"' in text
    assert "bakeoff_max_batch_size 128.0" in text


def test_a_failure_is_a_state(tmp_path: Path) -> None:
    put(tmp_path, invented_failure())
    text = page(StackMetrics(Settings(bakeoff_home=tmp_path)))
    assert "bakeoff_ready 0.0" in text
    assert 'bakeoff_backend_state{backend="tensorrt",state="failed"} 1.0' in text


def test_nothing_is_said_of_a_gate_that_has_not_started(tmp_path: Path) -> None:
    text = page(StackMetrics(Settings(bakeoff_home=tmp_path)))
    assert "bakeoff_ready 0.0" in text
    assert "bakeoff_model_info" not in text
