"""What is true of the whole container, as metrics."""

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from server.console.stack_metrics import StackMetrics
from server.settings import Settings
from tests.browser.recorded_states import invented_failure, put, recorded


def page(collector: StackMetrics) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


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
