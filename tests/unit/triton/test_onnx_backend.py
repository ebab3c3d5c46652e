"""The Python-based ONNX Runtime backend on a CPU, with a real session and a double of Triton's own module."""

import importlib.util
import json
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from google.protobuf import json_format, text_format
from onnx import TensorProto, helper
from tritonclient.grpc import model_config_pb2

from server.hardware import Hardware
from server.home import ROOT
from server.setting_types import Precision
from server.settings import Settings
from server.triton.repository import render, values

CONFIG = {"input": [{"name": "image"}], "output": [{"name": "sum"}], "parameters": {}}


def request(*firsts: int, columns: int = 3) -> SimpleNamespace:
    """Make a request of one row for each of `firsts`, from which the row counts up."""
    values = np.array([np.arange(first, first + columns) for first in firsts], np.float32)
    return SimpleNamespace(as_numpy=lambda: values, shape=lambda: values.shape)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The backend's module."""
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
    return module


@pytest.fixture
def model(backend: ModuleType, tmp_path: Path):
    """The backend with a model that adds up three columns."""
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
    loaded = backend.TritonPythonModel()
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


@pytest.mark.parametrize(("precision", "use_tf32"), [("fp32", "0"), ("fp16", "0"), ("tf32", "1")])
def test_the_cuda_provider_gets_the_options_that_the_native_backend_reads(
    backend: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: Precision, use_tf32: str
) -> None:
    """From the rendered configuration, as Triton passes it on."""
    hardware = Hardware(
        "cuda", precision, "gpu", threads=2, http_workers=8, decode_workers=3, warmup_max_batch=16, gpus=()
    )
    substitutions = values(Settings(onnx_gpu_memory_mb=1), hardware)
    text = (render("onnx", tmp_path / "r", substitutions, None) / "openclip_vit_b32" / "config.pbtxt").read_text()
    config = json_format.MessageToJson(
        text_format.Parse(text, model_config_pb2.ModelConfig()), preserving_proto_field_name=True
    )
    asked = []

    class SessionDouble:
        def __init__(self, _path: str, _options: object, providers: list[object]) -> None:
            asked.append(providers[0])

        def get_providers(self) -> list[str]:
            return ["CUDAExecutionProvider"]

    monkeypatch.setattr(onnxruntime, "InferenceSession", SessionDouble)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    backend.TritonPythonModel().initialize(
        {
            "model_config": config,
            "model_repository": str(tmp_path),
            "model_version": "1",
            "model_instance_kind": "GPU",
            "model_instance_device_id": "1",
        }
    )
    assert asked == [
        (
            "CUDAExecutionProvider",
            {
                "device_id": 1,
                "use_tf32": use_tf32,
                "gpu_mem_limit": str(2**20),
                "arena_extend_strategy": "kSameAsRequested",
            },
        )
    ]
