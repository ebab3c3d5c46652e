"""A stack without PyTorch: port 8002 says what runs, survives what is behind it, and is found by the benchmark."""

import time
from pathlib import Path

import httpx
import psutil

from server.model.reference import Reference
from tests.stack.stack import ROW_TOLERANCE, RunningStack

TRITON, GATEWAY = "bin/tritonserver", "-m server.gateway"


def right(client: httpx.Client, reference: Reference) -> bool:
    """Tell whether a photo is embedded, and as itself; what is refused is refused in words."""
    answer = client.post("/embed", content=reference.files[0])
    if answer.status_code == 503:
        assert answer.headers["Retry-After"]
        assert "Triton, ONNX Runtime" in answer.json()["error"]
        return False
    answer.raise_for_status()
    return (
        max(abs(a - b) for a, b in zip(answer.json()["embedding"], reference.embeddings[0], strict=True))
        < ROW_TOLERANCE
    )


def test_8002_tells_of_the_stack(onnx_alone: RunningStack) -> None:
    document = onnx_alone.wait(200)
    assert {name: one["url"] for name, one in document["backends"].items()} == {"onnx": onnx_alone.url("onnx")}
    assert onnx_alone.bakeoff("health").returncode == 0
    assert "onnx" in onnx_alone.bakeoff("status").stdout
    page = httpx.get(f"{onnx_alone.url()}/")
    assert page.headers["Content-Type"].startswith("text/html")
    metrics = httpx.get(f"{onnx_alone.url()}/metrics").text
    assert "bakeoff_ready 1.0" in metrics
    assert "bakeoff_outstanding_images 0.0" in metrics


def test_a_triton_that_dies_costs_nobody_the_connection(onnx_alone: RunningStack, reference: Reference) -> None:
    onnx_alone.wait(200)
    gateway = onnx_alone.program(GATEWAY)
    with httpx.Client(base_url=onnx_alone.url(), timeout=60) as client:
        assert right(client, reference)
        ours = client.get("/v2/health/live").extensions["network_stream"].get_extra_info("client_addr")
        onnx_alone.program(TRITON).kill()
        deadline = time.monotonic() + 120
        refused = 0
        while not (refused and right(client, reference)):
            refused += 1
            assert time.monotonic() < deadline
            assert client.get("/health").status_code == 200
            time.sleep(0.1)
        assert client.get("/v2/health/live").extensions["network_stream"].get_extra_info("client_addr") == ours
    onnx_alone.wait(200)
    assert onnx_alone.program(GATEWAY) == gateway


def test_a_gateway_that_dies_is_back_by_itself(onnx_alone: RunningStack, reference: Reference) -> None:
    onnx_alone.wait(200)
    triton, victim = onnx_alone.program(TRITON), onnx_alone.program(GATEWAY)
    worker = next(child for child in victim.children() if "server.gateway.worker" in " ".join(child.cmdline()))
    worker.kill()
    onnx_alone.wait(200, 30)
    assert onnx_alone.program(GATEWAY) == victim
    victim.kill()
    psutil.wait_procs([victim], timeout=10)
    onnx_alone.wait(200)
    with httpx.Client(base_url=onnx_alone.url(), timeout=60) as client:
        assert right(client, reference)
    assert onnx_alone.program(TRITON) == triton


def test_the_benchmark_finds_it_at_its_default_address(onnx_alone: RunningStack, tmp_path: Path) -> None:
    onnx_alone.wait(200)
    done = onnx_alone.bakeoff(
        "bench",
        "--quick",
        "--scenario",
        "single",
        "--goal",
        "latency",
        "--time-budget",
        "14",
        "--results",
        str(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "onnx" in done.stdout
    refused = onnx_alone.bakeoff("bench-server")
    assert refused.returncode == 1
    assert "`python -m bench.server.gateway` measures that" in " ".join((refused.stdout + refused.stderr).split())
