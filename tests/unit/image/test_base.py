"""What a base image is told, and which TensorRT bindings it gets."""

import re
import sys
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


REQUIREMENTS = """\
numpy==1.26.4 \\
    --hash=sha256:0000
torch==2.15.0 ; sys_platform == 'linux' \\
    --hash=sha256:0000
onnxruntime==1.32.0 \\
    --hash=sha256:0000
"""


def test_what_is_imported_is_compared_with_the_lock() -> None:
    good = {"numpy": "1.26.4", "torch": "2.15.0+cu129", "onnxruntime": "1.32.0"}
    assert base.differences(REQUIREMENTS, good) == []
    assert base.differences(REQUIREMENTS, {**good, "numpy": "2.3.5", "PIL": "13.0.0"}) == [
        "numpy 2.3.5 is imported, and uv.lock has 1.26.4",
        "pillow 13.0.0 is imported, and uv.lock has None",
    ]


def test_a_numpy_that_pythonpath_puts_before_ours_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("__version__ = '2.3.5'\n")
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    monkeypatch.setattr(base, "VENV_PYTHON", sys.executable)
    monkeypatch.setattr(base, "REQUIREMENTS", tmp_path / "requirements.txt")
    monkeypatch.setattr(base, "MODULES", {"numpy": "numpy"})
    assert base._verify_packages() == "imported: numpy 1.26.4"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(base.BaseError, match=rf"numpy 2\.3\.5 is imported, .*: PYTHONPATH={tmp_path} has others"):
        base._verify_packages()


def test_every_stage_on_the_base_clears_its_pythonpath() -> None:
    text = (Path(__file__).parents[3] / "Dockerfile.step6a-all").read_text()
    stages = [stage for stage in text.split("\nFROM ")[1:] if stage.startswith("${TRITON_IMAGE}")]
    assert len(stages) == 2
    for stage in stages:
        cleared = re.search(r"^(ENV|   ) PYTHONPATH=( \\)?$", stage, re.MULTILINE)
        assert cleared
        assert not re.search(r"python3|bakeoff/.venv/bin/python", stage[: cleared.start()])
