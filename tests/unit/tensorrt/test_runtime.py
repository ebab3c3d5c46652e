"""Why a machine cannot run TensorRT, in words."""

import pytest

from server.hardware import Gpu, Hardware
from server.tensorrt import builder_process
from server.tensorrt.builder_process import BuildFailed, Platform
from server.tensorrt.runtime import unavailable_reason


def machine(capability: tuple[int, int] | None, device: str = "cuda") -> Hardware:
    gpus = (Gpu(0, "GPU-0", "NVIDIA Test", capability, 2**34, 2**33, "580.1"),) if capability else ()
    return Hardware(device, "fp16", "cpu", threads=2, http_workers=1, decode_workers=2, warmup_max_batch=16, gpus=gpus)  # type: ignore[arg-type]


def platform(monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    found = {"module": "tensorrt", "version": "10.3.0.26", "gpu": "NVIDIA Test", "compute_capability": "9.0"}
    answer = Platform(**{"cuda_problem": None, **found, **fields})  # type: ignore[arg-type]
    monkeypatch.setattr(builder_process, "describe", lambda: answer)


@pytest.mark.parametrize(
    ("hardware", "found", "words"),
    [
        (machine(None), {}, "needs an NVIDIA GPU, and the driver reports none"),
        (machine((9, 0), device="cpu"), {}, "DEVICE=cpu asks for none"),
        (machine((7, 0)), {}, "compute capability 7.5 or newer, and NVIDIA Test has 7.0"),
        (
            machine((9, 0)),
            {"cuda_problem": "update the driver"},
            "TensorRT 10.3.0.26 cannot use the GPU: update the driver",
        ),
        (
            machine((9, 0)),
            {"module": "tensorrt_rtx_bindings"},
            "8.0, 8.6, 8.9 and 12.0 or newer, and NVIDIA Test has 9.0",
        ),
    ],
)
def test_the_reason_is_exact(
    monkeypatch: pytest.MonkeyPatch, hardware: Hardware, found: dict[str, object], words: str
) -> None:
    platform(monkeypatch, **found)
    assert words in str(unavailable_reason(hardware))


@pytest.mark.parametrize(
    ("capability", "module"), [((7, 5), "tensorrt"), ((8, 6), "tensorrt_rtx"), ((12, 0), "tensorrt_rtx")]
)
def test_a_fitting_machine_has_no_reason(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], module: str
) -> None:
    platform(monkeypatch, module=module)
    assert unavailable_reason(machine(capability)) is None


def test_a_missing_module_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "no Python module tensorrt or" in str(unavailable_reason(machine((9, 0))))


def test_a_module_that_cannot_be_loaded_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Platform:
        raise BuildFailed("TensorRT cannot be used: libnvinfer.so.10: cannot open shared object file")

    monkeypatch.setattr(builder_process, "describe", broken)
    assert "libnvinfer.so.10" in str(unavailable_reason(machine((9, 0))))


def test_this_machine_describes_itself() -> None:
    found = builder_process.describe()
    assert found.module == "tensorrt_rtx_bindings"
    assert found.version == "1.7.1.116"
    assert (found.gpu is None) == (found.cuda_problem is not None)
