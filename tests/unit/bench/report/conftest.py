import pytest

from bench.result import Result
from tests.unit.bench.report.synthetic import synthetic_result


@pytest.fixture(scope="session")
def gpu_result() -> Result:
    """Three synthetic backends on a synthetic GPU; `tensorrt` is the fastest."""
    return synthetic_result({"pytorch": 4.1, "onnx": 3.2, "tensorrt": 2.2})


@pytest.fixture(scope="session")
def cpu_result() -> Result:
    """Two synthetic backends without a GPU; `pytorch` is the faster one."""
    return synthetic_result({"pytorch": 30, "onnx": 36}, gpu=False, batches=(2, 4, 8))
