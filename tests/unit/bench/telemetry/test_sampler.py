import subprocess
import sys
import time

import pynvml
import pytest

from bench.errors import BenchError
from bench.telemetry import Sampler
from bench.telemetry.processes import ServerProcesses, runs_here
from server.hardware import gpus
from tests.doubles.running import sleeping_server
from tests.unit.bench.telemetry.nvml_double import NvmlDouble

BUSY_FAMILY = """
import socket, subprocess, sys
listener = socket.create_server(("127.0.0.1", 0))
burn = "import os, time\\nwhile time.process_time() < 0.4: pass\\n"
print(listener.getsockname()[1], flush=True)
sys.stdin.readline()
subprocess.run([sys.executable, "-c", burn])  # ends within the window
child = subprocess.Popen([sys.executable, "-c", burn + "print(os.getpid(), flush=True)\\ntime.sleep(60)"])
sys.stdin.readline()
child.kill()
"""


def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)


def test_cpu_of_the_whole_family_counts_also_of_those_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    no_gpu(monkeypatch)
    with subprocess.Popen(
        [sys.executable, "-c", BUSY_FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as family:
        assert family.stdin
        assert family.stdout
        try:
            url = f"http://127.0.0.1:{int(family.stdout.readline())}"
            with Sampler({"pytorch": url}) as sampler:
                sampler.start_window()
                family.stdin.write("\n")
                family.stdin.flush()
                child = int(family.stdout.readline())
                seen = sampler.end_window()
            found = {process.pid for process in ServerProcesses(url).all}
        finally:
            family.stdin.close()
            family.wait(10)
    assert found == {family.pid, child}
    assert seen.gpus is None
    backend = seen.backends["pytorch"]
    assert backend is not None
    assert backend.processes == 2
    assert backend.cpu_s >= 0.75  # 0.4 s each, which the kernel counts in hundredths
    assert backend.resident_bytes
    assert backend.gpu_memory_bytes is None


def test_of_other_machines_and_closed_ports_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    double = NvmlDouble()
    double.install(monkeypatch)
    with Sampler({"pytorch": "http://192.0.2.1:8002"}) as sampler:
        sampler.start_window()
        seen = sampler.end_window()
    assert (seen.gpus, seen.backends, seen.energy_j) == (None, {"pytorch": None}, None)
    with Sampler({"pytorch": "http://127.0.0.1:1"}) as sampler:
        sampler.start_window()
        assert sampler.end_window().backends == {"pytorch": None}
    with pytest.raises(BenchError, match="no process of yours listens on port 1 here"):
        ServerProcesses("http://127.0.0.1:1")


def test_a_window_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    double = NvmlDouble()
    double.install(monkeypatch)
    with sleeping_server(mean_ms=1) as server, Sampler({"onnx": server.url}) as sampler:
        double.by_process = {server.pid: 2**30, 1: 2**31, 2: None}
        sampler.start_window()
        double.millijoules, double.reasons, double.utilisation = 1_030_000, 0x5, None
        seen = sampler.end_window()
        assert double.opened == 1
    assert double.opened == 0
    assert seen.gpus is not None
    (gpu,) = seen.gpus
    assert (gpu.name, gpu.energy_j, gpu.energy_source, seen.energy_j) == ("Double", 30.0, "counter", 30.0)
    assert gpu.throttled == {"sw_power_cap": 0.5}  # idle, bit 1, is no throttling
    assert gpu.utilisation == 0.5  # of the one look that told
    backend = seen.backends["onnx"]
    assert backend is not None
    assert backend.gpu_memory_bytes == 2**30


def test_a_server_that_ended_within_the_window_has_no_figures_and_its_successor_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_gpu(monkeypatch)
    with sleeping_server(mean_ms=1) as first:
        sampler = Sampler({"onnx": first.url})
        sampler.start_window()
    assert sampler.end_window().backends == {"onnx": None}
    with sleeping_server(mean_ms=1, port=int(first.url.rpartition(":")[2])):
        sampler.start_window()
        assert sampler.end_window().backends["onnx"] is not None


@pytest.mark.parametrize(
    ("url", "here"),
    [("http://localhost:1", True), ("http://127.3.4.5:1", True), ("http://[::1]:1", True), ("http://192.0.2.1:1", False),
     ("http://no-such-host.invalid:1", False)],
)  # fmt: skip
def test_which_urls_are_this_machine(url: str, here: bool) -> None:
    assert runs_here(url) is here


@pytest.mark.gpu
def test_a_real_gpu_tells_what_a_window_of_matrix_products_took() -> None:
    if not gpus():
        pytest.skip("needs an NVIDIA GPU")
    import torch

    matrix = torch.rand(8192, 8192, device="cuda", dtype=torch.float16)
    with sleeping_server(mean_ms=1) as server, Sampler({"pytorch": server.url}) as sampler:
        sampler.start_window()
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            matrix @ matrix
            torch.cuda.synchronize()
        seen = sampler.end_window()
    assert seen.gpus
    busiest = max(seen.gpus, key=lambda gpu: gpu.power_w or 0)
    assert busiest.utilisation
    assert busiest.utilisation > 0.5
    assert busiest.energy_j
    assert busiest.energy_j > 3 * 50
    assert busiest.samples > 5
    assert busiest.sm_clock_mhz
    assert busiest.temperature_c
    assert busiest.throttled is not None
