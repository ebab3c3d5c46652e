"""One table says which backend is of which kind, and the gate asks no backend what it is called."""

import re
from pathlib import Path
from typing import get_args

import pytest

from server.backends.pytorch import PyTorchBackend
from server.backends.table import backends
from server.backends.tensorrt import TensorRTBackend
from server.backends.triton import TritonBackend
from server.hardware import Hardware
from server.setting_types import BackendName
from server.settings import Settings

GATE = Path(__file__).parents[3] / "server" / "gate"
GPU = Hardware("cuda", "fp16", "gpu", 1, 1, 1, 1, ())


def test_every_backend_has_its_kind_in_the_fixed_order() -> None:
    found = backends(Settings(), GPU, None)  # type: ignore[arg-type]  # the model is not looked at
    assert [backend.address.name for backend in found] == list(get_args(BackendName))
    assert [type(backend) for backend in found] == [PyTorchBackend, TritonBackend, TensorRTBackend]


def test_a_gpu_decodes_for_the_pytorch_server_alone() -> None:
    found = backends(Settings(), GPU, None)  # type: ignore[arg-type]
    assert [backend.decodes_on_gpu for backend in found] == [True, False, False]


def test_only_those_that_are_enabled_are_made() -> None:
    found = backends(Settings(backends="tensorrt"), GPU, None)  # type: ignore[arg-type]
    assert [backend.address.program for backend in found] == ["triton-tensorrt"]


@pytest.mark.parametrize("file", sorted(GATE.glob("*.py")), ids=lambda file: file.name)
def test_the_gate_names_no_backend(file: Path) -> None:
    assert re.findall(r'"(?:pytorch|onnx|tensorrt)"', file.read_text(encoding="utf-8")) == []
