"""All of the stack sees the GPUs that CUDA shows, in CUDA's order: engines, figures, telemetry, preflight, the kept engine.

What CUDA says to each value was recorded on two H100 (driver 580.159): status, and the GPUs by their place in NVML's order.
MIG instances have not been seen: their answers are NVIDIA's documentation.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.machine import this_machine
from bench.telemetry.nvml import Gpus
from server import cuda_compat, visible_gpus
from server.hardware import gpus, resolve
from server.live.machine import gpu_loads
from server.nvml import hidden_count
from server.preflight import Finding, run_checks
from server.settings import Settings, SettingsError
from server.tensorrt.runtime import unavailable_reason
from tests.doubles.nvml import NvmlDouble, cuda_answers

A, B = "GPU-dd740167-a10e-cd48-409d-64d85cfa10f8", "GPU-437ab01b-331e-ae3e-8b38-39e2a82dcb2e"
MIG = "MIG-5ed5a4c2-0b1c-5b0e-9c5d-0b6f1a3a2f11"

RECORDED: list[tuple[str | None, int, tuple[str, ...]]] = [
    (None, 0, (A, B)), ("", 100, ()), (" ", 100, ()), ("0", 0, (A,)), ("1", 0, (B,)), ("1,0", 0, (B, A)), ("0,0", 101, ()),
    ("0,7", 0, (A,)), ("7,0", 100, ()), ("-1", 100, ()), ("0,-1", 0, (A,)), ("0,-1,1", 0, (A,)), ("0,a,1", 0, (A,)),
    (" 1 , 0", 0, (B, A)), ("1gpu", 0, (B,)), (A, 0, (A,)), ("GPU-437a", 0, (B,)), ("GPU-", 100, ()), (f"{B},{A}", 0, (B, A)),
    (f"{A},{A}", 101, ()), (f"{A},1", 0, (A,)), (f"1,{A}", 0, (B,)), ("NoDevFiles", 100, ()), ("0,", 0, (A,)),
]  # fmt: skip


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> NvmlDouble:
    """Two GPUs, the first listed last by CUDA's own order."""
    double = NvmlDouble({A: "NVIDIA H100", B: "NVIDIA L4"})
    double.install(monkeypatch)
    monkeypatch.setattr(cuda_compat, "problem", lambda: None)
    return double


def gpu_finding(folder: Path) -> Finding:
    (found,) = [one for one in run_checks(Settings(bakeoff_home=folder)) if one.subject == "GPU"]
    return found


@pytest.mark.parametrize(("value", "status", "shown"), RECORDED)
def test_everything_sees_what_cuda_shows(
    machine: NvmlDouble, monkeypatch: pytest.MonkeyPatch, value: str | None, status: int, shown: tuple[str, ...]
) -> None:
    cuda_answers(monkeypatch, value, status, *shown)
    found = gpus()
    assert [gpu.uuid for gpu in found] == list(shown)
    assert [gpu.index for gpu in found] == list(range(len(shown)))  # CUDA's numbers, by which engines are started
    assert [load.uuid for load in gpu_loads()] == list(shown)
    names = [machine.gpus[uuid] for uuid in shown]
    assert Gpus().names == names
    assert list(this_machine().gpus) == names
    assert hidden_count() == 2 - len(shown)
    assert resolve(Settings()).device == ("cuda" if shown else "cpu")


def test_cuda_s_order_is_kept_where_nvml_s_is_another(machine: NvmlDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda_answers(monkeypatch, None, 0, B, A)  # FASTEST_FIRST
    assert [gpu.name for gpu in gpus()] == ["NVIDIA L4", "NVIDIA H100"]


def test_a_mig_instance_is_a_gpu(machine: NvmlDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine.instances = {MIG: A}
    cuda_answers(monkeypatch, MIG, 0, MIG)
    (found,) = gpus()
    assert (found.uuid, found.name, found.compute_capability) == (MIG, "NVIDIA H100", (9, 0))
    (load,) = gpu_loads()
    assert (load.uuid, load.utilisation, load.power_w, load.memory_used) == (MIG, None, None, 2**33)
    assert Gpus().names == ["NVIDIA H100"]
    assert hidden_count() == 1
    assert resolve(Settings()).device == "cuda"
    cuda_answers(monkeypatch, f"{MIG},MIG-other", 0, MIG)
    assert "of several MIG instances a program sees one" in gpu_finding(tmp_path).found


@pytest.mark.parametrize(("status", "value"), [(-1, None), (-1, "0"), (100, None), (999, "0"), (803, None)])
def test_a_driver_that_does_not_work_is_no_reason_to_compute_on_the_cpu(
    machine: NvmlDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int, value: str | None
) -> None:
    cuda_answers(monkeypatch, value, status)
    assert [gpu.uuid for gpu in gpus()] == [A, B]
    monkeypatch.setattr(cuda_compat, "problem", lambda: ("CUDA cannot be initialised", "restart it"))
    assert gpu_finding(tmp_path).level == "fail"


@pytest.mark.parametrize(
    ("value", "status", "shown", "level", "words"),
    [
        (None, 0, (A, B), "ok", "NVIDIA H100 (16 GiB, 8 free, driver 580.1), NVIDIA L4 (16 GiB, 8 free, driver 580.1); FP16"),
        ("1", 0, (B,), "ok", "NVIDIA L4 (16 GiB, 8 free, driver 580.1); FP16; 1 hidden by CUDA_VISIBLE_DEVICES"),
        ("0,-1", 0, (A,), "ok", "NVIDIA H100"),
        ("", 100, (), "ok", "none, because CUDA_VISIBLE_DEVICES= hides the GPUs of this machine (2), so everything runs on"),
        ("-1", 100, (), "ok", "none, because CUDA_VISIBLE_DEVICES=-1 hides the GPUs of this machine (2)"),
        ("0,7", 0, (A,), "warn", "CUDA_VISIBLE_DEVICES=0,7 names 2, and CUDA shows 1: it ends at the first name that it does not know, '7'"),
        (f"{A},1", 0, (A,), "warn", "it ends at the first name that it does not know, '1'"),
        ("0,0", 101, (), "warn", "CUDA refuses CUDA_VISIBLE_DEVICES=0,0, which names a GPU twice, and shows none"),
    ],
)  # fmt: skip
def test_preflight_says_which_gpus_are_hidden_and_why(
    machine: NvmlDouble,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    value: str | None,
    status: int,
    shown: tuple[str, ...],
    level: str,
    words: str,
) -> None:
    cuda_answers(monkeypatch, value, status, *shown)
    found = gpu_finding(tmp_path)
    assert found.level == level
    assert words in found.found
    assert (found.remedy is None) == (level == "ok")


def test_where_all_are_hidden_that_is_the_reason(machine: NvmlDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda_answers(monkeypatch, "-1", 100)
    with pytest.raises(
        SettingsError, match=r"DEVICE='cuda': .* CUDA_VISIBLE_DEVICES=-1 hides the GPUs of this machine \(2\)"
    ):
        resolve(Settings(device="cuda"))
    assert unavailable_reason(resolve(Settings())) == (
        "TensorRT needs an NVIDIA GPU, and CUDA_VISIBLE_DEVICES=-1 hides the GPUs of this machine (2)"
    )


def test_the_benchmark_looks_at_the_stack_s_gpus_not_at_its_own(
    machine: NvmlDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda_answers(monkeypatch, None, 0, A, B)
    assert Gpus([B]).names == ["NVIDIA L4"]
    assert Gpus(["GPU-of-another-machine"]).names == []


def test_cuda_is_asked_once_and_its_absence_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "OSError: libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(subprocess, "run", run)
    visible_gpus._answer.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert [visible_gpus.uuids(), visible_gpus.uuids()] == [None, None]
    assert len(asked) == 1
    visible_gpus._answer.cache_clear()


def test_a_machine_without_a_gpu_does_not_ask_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    NvmlDouble({}).install(monkeypatch)
    monkeypatch.setattr(visible_gpus, "_answer", lambda *_: pytest.fail("it takes seconds"))
    assert gpus() == ()


@pytest.mark.gpu
@pytest.mark.skipif(not gpus(), reason="needs an NVIDIA GPU, and the driver reports none")
@pytest.mark.parametrize("value", ["0", "-1", "0,0", "0,99", ""])
def test_the_driver_of_this_machine_shows_what_pytorch_sees(value: str) -> None:
    code = "import torch; from server.hardware import gpus; print(torch.cuda.device_count() == len(gpus()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": value}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "True"
