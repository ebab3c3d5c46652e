"""One real FP16 graph and one real engine of it, built with TensorRT-RTX, for all tests of a session; and a shallow one."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from server.home import Home
from server.model.artifacts import Artifact
from server.model.export import export_graph
from server.model.module import load_module
from server.model.weights import resolve_weights
from server.settings import Settings
from server.tensorrt import builder_process
from server.tensorrt.builder_process import BuildRequest

WEIGHTS = "visual.safetensors"


@dataclass
class Home16:
    """A BAKEOFF_HOME with the FP16 graph in it, which a machine without a GPU does not export by itself."""

    root: Path
    onnx: Artifact

    def settings(self, **others: object) -> Settings:
        return Settings(bakeoff_home=self.root, **others)


@dataclass
class FinishedBuild:
    """A build and all that it reported."""

    request: BuildRequest
    engine: dict[str, Any]
    reports: list[tuple[float, str]]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home16:
    root = tmp_path_factory.mktemp("home")
    weights = root / WEIGHTS
    save_file(resolve_weights(Settings(bakeoff_home=root, pretrained="random")).visual, weights)
    graph = root / "onnx" / "fp16.onnx"
    graph.parent.mkdir()
    export_graph(load_module(weights, quick_gelu=False, dtype=torch.float16), graph)
    return Home16(root, Artifact.of(graph, Home(root)))


@pytest.fixture(scope="session")
def shallow(home: Home16, tmp_path_factory: pytest.TempPathFactory) -> Home16:
    """Return the same graph with two of its twelve blocks, for builds of which nothing but the way there is looked at."""
    root = tmp_path_factory.mktemp("shallow")
    module = load_module(home.root / WEIGHTS, quick_gelu=False, dtype=torch.float16)
    module.visual.transformer.resblocks = module.visual.transformer.resblocks[:2]
    graph = root / "fp16.onnx"
    export_graph(module, graph)
    return Home16(root, Artifact.of(graph, Home(root)))


def request_in(folder: Path, onnx: Path, **others: Any) -> BuildRequest:
    folder.mkdir(exist_ok=True)
    fields = {
        "onnx": onnx,
        "output": folder / "model.plan",
        "log": folder / "build.log",
        "timing_cache": folder / "timings",
        "precision": "fp16",
        "max_batch": 128,
        "level": 3,
    }
    return BuildRequest(**{**fields, **others})


@pytest.fixture(scope="session")
def built(home: Home16, tmp_path_factory: pytest.TempPathFactory) -> FinishedBuild:
    request = request_in(tmp_path_factory.mktemp("built"), home.root / home.onnx.path)
    reports: list[tuple[float, str]] = []
    engine = builder_process.build(
        request, timeout_s=120, report=lambda *each: reports.append(each), stopping=threading.Event()
    )
    return FinishedBuild(request, engine, reports)
