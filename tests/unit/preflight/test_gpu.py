"""The GPU's libraries are tried before anything relies on them; a double stands for a GPU that fails."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.hardware import Hardware
from server.preflight import checks, gpu, gpu_probe
from server.preflight.gpu_probe import ATTENTION, BUILDER, CONVOLUTION, MATRICES
from server.settings import Settings
from server.triton.tensorrt_backend import VersionMismatch

GPU = Hardware("cuda", "fp16", "gpu", threads=2, http_workers=8, decode_workers=3, warmup_max_batch=16, gpus=())


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch):
    """Put the double in the probe's place, and return what has it break at a step."""
    monkeypatch.setattr(gpu, "PROBE", (sys.executable, "-m", "tests.doubles.gpu_probe"))
    monkeypatch.setattr(gpu, "check_versions", lambda _: None)
    monkeypatch.setattr(checks.cuda_compat, "problem", lambda: None)
    monkeypatch.setattr(checks, "resolve", lambda _: GPU)
    monkeypatch.setattr(checks, "unavailable_reason", lambda _: None)

    def at(step: str, how: str = "") -> None:
        monkeypatch.setenv("BREAKS", step)
        monkeypatch.setenv("HOW", how)

    at("nothing")
    return at


def test_every_step_is_right_on_a_cpu_and_without_a_gpu_tensorrt_rtx_has_its_builder() -> None:
    assert gpu.failure(MATRICES, CONVOLUTION, ATTENTION, device="cpu") is None
    assert gpu.failure(BUILDER, device="cpu") is None


def test_a_wrong_result_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: self * 1.1)  # what the GPU computed
    with pytest.raises(gpu_probe.Wrong, match=r"off by 0\.1 of the largest element \(at most 0\.02\)"):
        gpu_probe.matrices("cpu")


@pytest.mark.parametrize(
    ("step", "how", "words", "remedy"),
    [
        (MATRICES, "RuntimeError: CUBLAS_STATUS_NOT_SUPPORTED", "a matrix product: RuntimeError: CUBLAS", "CUDA_LIBRARIES=torch"),
        (CONVOLUTION, "crash", "a convolution: it was ended by SIGABRT", "CUDA_LIBRARIES=torch"),
        (ATTENTION, "hang", "attention: no result within 2 s", "CUDA_LIBRARIES=torch"),
        (MATRICES, "OutOfMemoryError: CUDA out of memory", "CUDA out of memory", "nvidia-smi"),
        (MATRICES, "AcceleratorError: CUDA error: no kernel image is available", "no kernel image", "DEVICE=cpu"),
    ],
)  # fmt: skip
def test_libraries_that_do_not_compute_stop_the_start_with_the_remedy(
    double, step: str, how: str, words: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    double(step, how)
    monkeypatch.setattr(gpu, "TIME_LIMIT_S", 2 if how == "hang" else 60)
    (found,) = checks._libraries(Settings(backends=("pytorch", "onnx")))
    assert found.level == "fail"
    assert words in found.found
    assert remedy in str(found.remedy)


@pytest.mark.parametrize(("required", "level"), [((), "fail"), (("pytorch",), "warn")])
def test_a_tensorrt_that_cannot_build_stops_the_start_only_where_it_is_required(
    double, required: tuple[str, ...], level: str
) -> None:
    double(BUILDER, "OSError: libnvinfer_builder_resource.so.10.13.3: cannot open shared object file")
    cuda, tensorrt = checks._libraries(Settings(required_backends=required))
    assert cuda.level == "ok"
    assert tensorrt.level == level
    assert "TensorRT's builder: OSError: libnvinfer_builder_resource" in tensorrt.found
    assert "BACKENDS=pytorch,onnx" in str(tensorrt.remedy)


def test_a_tensorrt_of_another_version_than_tritons_is_found(double, monkeypatch: pytest.MonkeyPatch) -> None:
    def mismatch(_: object) -> None:
        raise VersionMismatch("TensorRT 10.1 builds, and Triton loads TensorRT 10.2")

    monkeypatch.setattr(gpu, "check_versions", mismatch)
    _, tensorrt = checks._libraries(Settings())
    assert tensorrt.found == "TensorRT's builder: TensorRT 10.1 builds, and Triton loads TensorRT 10.2"


def test_all_is_well_and_what_is_not_used_is_not_tried(double, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(one.subject, one.level) for one in checks._libraries(Settings())] == [
        ("CUDA libraries", "ok"),
        ("TensorRT", "ok"),
    ]
    double(BUILDER, "broken")
    assert [one.level for one in checks._libraries(Settings(backends=("onnx",)))] == ["ok"]
    monkeypatch.setattr(checks, "resolve", lambda _: SimpleNamespace(device="cpu"))
    assert checks._libraries(Settings()) == []


@pytest.mark.parametrize(
    ("files", "capability", "fitting"),
    [
        (["so.10.7.0", "_win.so.10.7.0"], (9, 0), ["so.10.7.0"]),
        (["_sm80.so.10.13.3", "_sm90.so.10.13.3", "_ptx.so.10.13.3"], (9, 0), ["_ptx.so.10.13.3", "_sm90.so.10.13.3"]),
        (["_sm10.so.1", "_sm100.so.1"], (10, 0), ["_sm100.so.1"]),
        ([], (9, 0), []),
    ],
)  # fmt: skip
def test_a_builders_kernels_are_those_for_this_gpu(
    tmp_path: Path, files: list[str], capability: tuple[int, int], fitting: list[str]
) -> None:
    stem = "libnvinfer_builder_resource"
    for name in files:
        (tmp_path / f"{stem}{'.' if name.startswith('so') else ''}{name}").touch()
    found = gpu_probe.builder_resources(tmp_path, capability)
    assert [file.name.removeprefix(stem).lstrip(".") for file in found] == fitting
