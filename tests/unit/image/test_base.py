"""What a base image is told, and which TensorRT bindings it gets."""

from pathlib import Path

import pytest

from image import base

LISTING = """
    linux-vdso.so.1 (0x00007ffc)
    libnvinfer.so.10 => /usr/lib/x86_64-linux-gnu/libnvinfer.so.10 (0x00007f)
    libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)
"""
BACKENDS = ("python", "onnxruntime", "tensorrt")


@pytest.fixture
def triton(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tritonserver").touch()
    for name in BACKENDS:
        (tmp_path / "backends" / name).mkdir(parents=True)
    return tmp_path


def test_a_good_base(triton: Path) -> None:
    assert base.check(triton, (3, 12), BACKENDS) == "base: Python 3.12, tritonserver with python, onnxruntime, tensorrt"


def test_an_old_python_is_named_with_the_remedy(triton: Path) -> None:
    with pytest.raises(
        base.BaseError, match=r"Python 3\.10, and 3\.11 or 3\.12 is needed: pass --build-arg TRITON_IMAGE"
    ):
        base.check(triton, (3, 10), BACKENDS)


def test_an_image_without_triton(triton: Path) -> None:
    (triton / "bin" / "tritonserver").unlink()
    with pytest.raises(base.BaseError, match=r"no .*/bin/tritonserver"):
        base.check(triton, (3, 12), BACKENDS)


def test_a_smaller_image_lacks_backends(triton: Path) -> None:
    (triton / "backends" / "tensorrt").rmdir()
    with pytest.raises(base.BaseError, match=r"no backend tensorrt .* the full image"):
        base.check(triton, (3, 12), BACKENDS)


def test_libnvinfer_is_the_one_that_the_backend_loads() -> None:
    assert base.libnvinfer(LISTING) == Path("/usr/lib/x86_64-linux-gnu/libnvinfer.so.10")
    with pytest.raises(base.BaseError, match="TENSORRT=none"):
        base.libnvinfer("libnvinfer.so.10 => not found")


@pytest.mark.parametrize(
    ("number", "cuda", "wanted"),
    [
        (101303, "13.0.1.012", "tensorrt_cu13_bindings==10.13.3.*"),
        (101101, "12.9.1.006", "tensorrt_cu12_bindings==10.11.1.*"),
        (8601, "12.1.0", "tensorrt_cu12_bindings==8.6.1.*"),
        (110002, "13.3.0.040", "tensorrt_cu13_bindings==11.0.2.*"),
    ],
)
def test_the_bindings_follow_the_library(number: int, cuda: str, wanted: str) -> None:
    assert base.requirement(number, cuda) == wanted


def test_a_base_without_a_cuda_version() -> None:
    with pytest.raises(base.BaseError, match="CUDA_VERSION=''"):
        base.requirement(101303, "")
