"""The Python-based ONNX Runtime backend on a CPU, with a real session and a double of Triton's own module."""

import importlib.util
import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from server.home import ROOT

CONFIG = {"input": [{"name": "image"}], "output": [{"name": "sum"}], "parameters": {}}


def request(*firsts: int, columns: int = 3) -> SimpleNamespace:
    """Make a request of one row for each of `firsts`, from which the row counts up."""
    values = np.array([np.arange(first, first + columns) for first in firsts], np.float32)
    return SimpleNamespace(as_numpy=lambda: values, shape=lambda: values.shape)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The backend with a model that adds up three columns."""
    triton = SimpleNamespace(
        TritonError=str,
        Logger=SimpleNamespace(log_error=logging.error),
        Tensor=lambda _name, rows: rows.tolist(),
        InferenceResponse=lambda tensors=None, error=None: error or tensors,
        get_input_tensor_by_name=lambda one, _name: one,
    )
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", triton)
    spec = importlib.util.spec_from_file_location("backend", ROOT / "triton_backends" / "onnxruntime" / "model.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["image", "axes"], ["sum"], keepdims=0)],
        "sum",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["batch"])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    (tmp_path / "1").mkdir()
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(made, tmp_path / "1" / "model.onnx")
    loaded = module.TritonPythonModel()
    loaded.initialize(
        {
            "model_config": json.dumps(CONFIG),
            "model_repository": str(tmp_path),
            "model_version": "1",
            "model_instance_kind": "CPU",
            "model_instance_device_id": "",
        }
    )
    return loaded


def test_each_request_gets_its_own_rows(model) -> None:
    assert model.execute([request(0, 3), request(6), request(9, 12)]) == [[[3, 12]], [[21]], [[30, 39]]]


def test_a_batch_that_fails_is_an_error_without_paths(model, caplog: pytest.LogCaptureFixture) -> None:
    answers = model.execute([request(0, columns=4), request(0, columns=4)])
    assert answers == ["the model failed on this batch; the server's log has the details"] * 2
    assert "Got invalid dimensions" in caplog.text
