"""What the builder asks of TensorRT 8.6, which cannot be installed here: a test double takes note."""

import argparse
import json
import weakref
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cuda.bindings import runtime as cuda

from server.tensorrt.builder import build as module
from server.tensorrt.builder import libraries

MIB = 2**20


class NetworkFlag(IntEnum):
    EXPLICIT_BATCH = 0


class BuilderFlag(IntEnum):
    FP16 = 0
    TF32 = 7


class Config:
    """An `IBuilderConfig` of 8.6: it has no progress monitor."""

    __slots__ = ("builder_optimization_level", "cache", "cleared", "flags", "limits", "profiles")

    def __init__(self) -> None:
        self.flags: list[BuilderFlag] = []
        self.cleared: list[BuilderFlag] = []
        self.limits: dict[str, int] = {}
        self.profiles: list[Any] = []
        self.cache: Any = None

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.append(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.cleared.append(flag)

    def set_memory_pool_limit(self, pool: str, size: int) -> None:
        self.limits[pool] = size

    def add_optimization_profile(self, profile: Any) -> None:
        self.profiles.append(profile)

    def create_timing_cache(self, content: bytes) -> Any:
        return None if content == b"damaged" else SimpleNamespace(serialize=lambda: content + b"timed")

    def set_timing_cache(self, cache: Any, _ignore_mismatch: bool) -> None:
        self.cache = cache

    def get_timing_cache(self) -> Any:
        return self.cache


class Profile:
    def set_shape(self, name: str, *shapes: tuple[int, ...]) -> None:
        self.shapes = (name, *shapes)


class Parser:
    def parse_from_file(self, _path: str) -> bool:
        return True


class TensorRT86:
    """The part of TensorRT 8.6 that the builder uses."""

    __name__ = "tensorrt"
    __version__ = "8.6.0"
    NetworkDefinitionCreationFlag = NetworkFlag
    BuilderFlag = BuilderFlag
    MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")

    class ILogger:
        Severity = IntEnum("Severity", {"INTERNAL_ERROR": 0, "ERROR": 1, "WARNING": 2, "INFO": 3})

    def __init__(self) -> None:
        self.config = Config()
        self.network_flags: list[int] = []
        image = SimpleNamespace(name="image", shape=(-1, 3, 224, 224), dtype=SimpleNamespace(name="UINT8"))
        answer = SimpleNamespace(name="embedding", shape=(-1, 512), dtype=SimpleNamespace(name="FLOAT"))
        self.network = SimpleNamespace(
            num_inputs=1, num_outputs=1, num_layers=0, get_input=lambda _: image, get_output=lambda _: answer
        )

    def Builder(self, _logger: Any) -> Any:  # noqa: N802  # TensorRT's name
        def create_network(flags: int) -> Any:
            self.network_flags.append(flags)
            return self.network

        def build_serialized_network(*_: Any) -> bytes:
            assert self.parser() is not None, "the weights went with the parser"
            return b"plan"

        return SimpleNamespace(
            create_network=create_network,
            create_builder_config=lambda: self.config,
            create_optimization_profile=Profile,
            build_serialized_network=build_serialized_network,
        )

    def OnnxParser(self, _network: Any, _logger: Any) -> Any:  # noqa: N802
        parser = Parser()
        self.parser = weakref.ref(parser)
        return parser


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> TensorRT86:
    double = TensorRT86()
    for where in (module, libraries):
        monkeypatch.setattr(where, "load_module", lambda: double)
    monkeypatch.setattr(module, "free_gpu_memory", lambda: 1000 * MIB)
    return double


def build(tmp_path: Path, **others: Any) -> list[str]:
    fields = {
        "onnx": tmp_path / "graph.onnx", "output": tmp_path / "model.plan", "timing_cache": tmp_path / "timings",
        "precision": "fp16", "max_batch": 128, "level": 3, "workspace_share": 0.5,
    }  # fmt: skip
    phases: list[str] = []
    engine = module.Build(argparse.Namespace(**{**fields, **others}), lambda _, phase: phases.append(phase)).run()
    json.dumps(engine)
    return phases


def test_fp16_is_a_flag_and_the_batch_a_dimension(trt: TensorRT86, tmp_path: Path) -> None:
    phases = build(tmp_path)
    assert trt.network_flags == [1 << NetworkFlag.EXPLICIT_BATCH]
    assert trt.config.flags == [BuilderFlag.FP16]
    assert "building; this TensorRT tells no progress" in phases
    assert (tmp_path / "model.plan").read_bytes() == b"plan"


def test_fp32_means_fp32(trt: TensorRT86, tmp_path: Path) -> None:
    build(tmp_path, precision="fp32")
    assert trt.config.flags == []
    assert trt.config.cleared == [BuilderFlag.TF32]


def test_tf32_is_what_tensorrt_does_by_itself(trt: TensorRT86, tmp_path: Path) -> None:
    build(tmp_path, precision="tf32")
    assert trt.config.flags == trt.config.cleared == []


def test_the_workspace_is_a_part_of_what_the_gpu_has_free(trt: TensorRT86, tmp_path: Path) -> None:
    build(tmp_path, workspace_share=0.125)
    assert trt.config.limits == {"workspace": 125 * MIB}


def test_every_profile_is_added(trt: TensorRT86, tmp_path: Path) -> None:
    build(tmp_path, level=5)
    shapes = [tuple(shape[0] for shape in profile.shapes[1:]) for profile in trt.config.profiles]
    assert shapes == [(1, 8, 128), (1, 64, 128)]
    assert trt.config.builder_optimization_level == 5


@pytest.mark.parametrize(("stored", "renewed"), [(b"", b"timed"), (b"old", b"oldtimed"), (b"damaged", b"timed")])
def test_timings_are_kept(trt: TensorRT86, tmp_path: Path, stored: bytes, renewed: bytes) -> None:
    if stored:
        (tmp_path / "timings").write_bytes(stored)
    build(tmp_path)
    assert (tmp_path / "timings").read_bytes() == renewed


@pytest.mark.parametrize(
    ("driver", "status", "count", "words"),
    [
        (0, cuda.cudaError_t.cudaErrorInsufficientDriver, 0, "there is no NVIDIA driver"),
        (12020, cuda.cudaError_t.cudaErrorInsufficientDriver, 0, "supports CUDA 12.2 at most, and CUDA 13.0 is needed"),
        (13000, cuda.cudaError_t.cudaErrorNoDevice, 0, "no usable GPU (cudaErrorNoDevice)"),
        (13000, cuda.cudaError_t.cudaSuccess, 0, "no usable GPU"),
        (13000, cuda.cudaError_t.cudaSuccess, 1, None),
    ],
)
def test_what_keeps_cuda_from_working_is_said(
    monkeypatch: pytest.MonkeyPatch, driver: int, status: cuda.cudaError_t, count: int, words: str | None
) -> None:
    success = cuda.cudaError_t.cudaSuccess
    monkeypatch.setattr(cuda, "cudaDriverGetVersion", lambda: (success, driver))
    monkeypatch.setattr(cuda, "cudaRuntimeGetVersion", lambda: (success, 13000))
    monkeypatch.setattr(cuda, "cudaGetDeviceCount", lambda: (status, count))
    problem = libraries._cuda_problem()
    assert (problem is None) if words is None else words in str(problem)
