"""What the export says when it cannot write, and what it checks a graph with."""

import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file

from server import hardware
from server.model import export
from server.model.export import written
from server.model.reference import Reference
from server.settings import Settings

LIMIT = 1 << 16


@pytest.mark.parametrize(
    "write",
    [lambda path: save_file({"some": torch.zeros(LIMIT)}, path), lambda path: path.write_bytes(bytes(2 * LIMIT))],
)
def test_what_cannot_be_written_is_named_with_what_to_do(tmp_path: Path, write) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        with (
            pytest.raises(OSError, match=r"weights cannot be written: .*File too large.*; free some space"),
            written(tmp_path / "weights") as temporary,
        ):
            write(temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A graph that gives each image's first two bytes, by way of FP16."""
    nodes = [
        helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["half"], ["embedding"], to=TensorProto.FLOAT),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 2])
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 2])
    made = helper.make_graph(nodes, "bytes", [image], [embedding])
    onnx.save(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), tmp_path / "graph.onnx"
    )
    return tmp_path / "graph.onnx"


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_graph_is_checked_with_the_providers_that_this_onnx_runtime_has(
    graph: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image has the build for CPUs, also on a GPU; the kernels that it fuses there crash on the FP16 graph."""
    sessions = []
    create = onnxruntime.InferenceSession

    def session(path: str, options: onnxruntime.SessionOptions, providers: list[str]) -> onnxruntime.InferenceSession:
        sessions.append((providers, options.graph_optimization_level))
        return create(path, options, providers=providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(hardware, "resolve", lambda _settings: SimpleNamespace(device=device))
    pixels = np.array([[0, 1], [2, 0]], np.uint8)
    export._check_graph(graph, Reference([], pixels, pixels.astype(np.float32)), "fp16", Settings())
    assert sessions == [(["CPUExecutionProvider"], onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)]
