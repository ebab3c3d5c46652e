"""The Python-based backend's own logic: where rows go, which graph and profile run them, what each request gets back."""

import importlib.util
import json
import logging
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from server.home import ROOT
from tests.unit.tensorrt.gpu_double import Cuda, TensorRT

ROW = (3, 2, 2)


class ModelError(Exception):
    """What Triton's own exception is to a model."""


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("backend", ROOT / "triton_backends" / "tensorrt" / "model.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    triton = SimpleNamespace(
        TritonModelException=ModelError,
        Tensor=lambda name, rows: (name, rows),  # not copied: the engine's next batch would overwrite it
        TritonError=str,
        Logger=SimpleNamespace(log_error=logging.error),
        InferenceResponse=lambda tensors=None, error=None: error or tensors,
        get_input_tensor_by_name=lambda request, _name: request,
    )
    cuda = Cuda()
    trt = TensorRT(cuda, ROW, [(1, 8, 16), (1, 12, 16)])
    monkeypatch.setattr(module, "cuda", cuda)
    monkeypatch.setattr(module, "pb_utils", triton)
    monkeypatch.setattr(module, "_module", lambda: trt)
    module.trt = trt  # type: ignore[attr-defined]
    return module


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    (tmp_path / "1").mkdir()
    file = tmp_path / "1" / "model.plan"
    file.write_bytes(b"good")
    return file


def images(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).integers(0, 256, (rows, *ROW)).astype(np.uint8)


def sums(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(len(pixels), -1).sum(axis=1)


def run(engine: Any, *parts: np.ndarray) -> np.ndarray:
    answer: np.ndarray = engine.run([(part.ctypes.data, len(part)) for part in parts])
    return answer


@pytest.mark.parametrize(("rows", "graph"), [(1, 1), (2, 4), (4, 4), (5, 8), (9, 16), (16, 16)])
def test_a_batch_runs_in_the_next_larger_graph(backend: ModuleType, plan: Path, rows: int, graph: int) -> None:
    engine = backend.Engine(plan, (16, 1, 4, 8))
    pixels = images(rows)
    answer = run(engine, pixels)
    assert answer[:, 0].tolist() == sums(pixels).tolist()
    assert answer[:, 1].tolist() == [graph] * rows
    assert len(backend.cuda.launched) == 1


def test_without_a_graph_for_it_a_batch_runs_as_it_is(backend: ModuleType, plan: Path) -> None:
    engine = backend.Engine(plan, (1, 4))
    answer = run(engine, images(7))
    assert set(answer[:, 1]) == {7}
    assert backend.cuda.launched == []


def test_what_idle_rows_hold_reaches_no_other_row(backend: ModuleType, plan: Path) -> None:
    engine = backend.Engine(plan, (16,))
    pixels = images(3)
    run(engine, images(16))
    first = run(engine, pixels).copy()
    run(engine, np.full((16, *ROW), 255, np.uint8))
    assert run(engine, pixels).tolist() == first.tolist()


@pytest.mark.parametrize(("rows", "profile"), [(1, 0), (8, 0), (10, 0), (11, 1), (16, 1)])
def test_the_profile_tuned_for_the_nearest_size_runs(backend: ModuleType, plan: Path, rows: int, profile: int) -> None:
    engine = backend.Engine(plan)
    run(engine, images(rows))
    assert backend.trt.ran == [(profile, rows)]


def test_the_parts_of_a_batch_lie_one_after_the_other(backend: ModuleType, plan: Path) -> None:
    engine = backend.Engine(plan, (8,))
    parts = [images(1), images(3), images(2)]
    assert run(engine, *parts)[:, 0].tolist() == sums(np.concatenate(parts)).tolist()


def test_more_rows_than_the_engine_takes_are_refused_before_they_are_copied(backend: ModuleType, plan: Path) -> None:
    engine = backend.Engine(plan, (16,))
    with pytest.raises(backend.EngineError, match="more than 16 rows"):
        run(engine, images(10), images(7))


def test_a_plan_of_another_tensorrt_is_named(backend: ModuleType, plan: Path) -> None:
    plan.write_bytes(b"bad")
    with pytest.raises(
        backend.EngineError, match=r"model\.plan: TensorRT 10\.3\.0 cannot load it \(the plan was built by"
    ):
        backend.Engine(plan)


def test_closing_gives_all_memory_back(backend: ModuleType, plan: Path) -> None:
    engine = backend.Engine(plan, (1, 4))
    assert len(backend.cuda.memory) == 3
    engine.close()
    assert backend.cuda.memory == {}


class OnGpu:
    """A Triton tensor in GPU memory, which numpy's memory stands for."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels

    def is_cpu(self) -> bool:
        return False

    def shape(self) -> tuple[int, ...]:
        return self._pixels.shape

    def to_dlpack(self) -> Any:
        return self._pixels.__dlpack__()


class OnHost(OnGpu):
    """A Triton tensor in host memory."""

    def is_cpu(self) -> bool:
        return True

    def as_numpy(self) -> np.ndarray:
        return self._pixels


def arguments(plan: Path, **others: str) -> dict[str, str]:
    config = {
        "input": [{"name": "image"}],
        "output": [{"name": "embedding"}],
        "optimization": {"cuda": {"graphs": True, "graph_spec": [{"batch_size": 4}, {"batch_size": 16}]}},
    }
    return {
        "model_config": json.dumps(config),
        "model_repository": str(plan.parent.parent),
        "model_version": "1",
        "model_instance_kind": "GPU",
        "model_instance_device_id": "0",
        **others,
    }


def test_every_request_gets_its_own_rows_wherever_its_pixels_lie(backend: ModuleType, plan: Path) -> None:
    model = backend.TritonPythonModel()
    model.initialize(arguments(plan))
    every_other = images(6)[::2]
    requests = [OnHost(images(2)), OnGpu(images(1)), OnHost(every_other)]
    responses = model.execute(requests)
    assert [name for ((name, _),) in responses] == ["embedding"] * 3
    expected = [sums(images(2)), sums(images(1)), sums(every_other)]
    assert [rows[:, 0].tolist() for ((_, rows),) in responses] == [each.tolist() for each in expected]
    assert len(backend.cuda.launched) == 1
    model.finalize()
    assert backend.cuda.memory == {}


def test_a_batch_that_fails_is_an_error_in_words_and_in_the_log(
    backend: ModuleType, plan: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = backend.TritonPythonModel()
    model.initialize(arguments(plan))
    responses = model.execute([OnHost(images(17)), OnHost(images(1))])
    assert responses == ["the model failed on this batch; the server's log has the details"] * 2
    assert "more than 16 rows" in caplog.text


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"model_instance_kind": "CPU"}, "TensorRT needs a GPU"),
        ({"model_version": "2"}, "there is no engine yet; the readiness gate compiles it"),
    ],
)
def test_what_cannot_be_loaded_is_said(backend: ModuleType, plan: Path, others: dict[str, str], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        backend.TritonPythonModel().initialize(arguments(plan, **others))


def test_a_damaged_plan_is_tritons_exception(backend: ModuleType, plan: Path) -> None:
    plan.write_bytes(b"bad")
    with pytest.raises(ModelError, match="cannot load it"):
        backend.TritonPythonModel().initialize(arguments(plan))
