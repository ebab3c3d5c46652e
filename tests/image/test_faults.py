"""Programs that die, programs that cannot live, and the container's end."""

import subprocess
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.model.reference import Reference
from tests.image.podman import ROW_TOLERANCE, Container, podman

pytestmark = pytest.mark.timeout(1800)

PROGRAMS = {"pytorch": "-m server.pytorch", "triton-onnx": "bin/tritonserver", "readiness": "-m server.gate"}
STUB = "triton_python_backend_stub"


def cpu_s(container: Container, words: str) -> float:
    """Return what the container's processes whose command line holds `words` have computed."""
    spent = [process.cpu_times() for process in container.processes() if words in " ".join(process.cmdline())]
    return sum(times.user + times.system for times in spent)


def outstanding(container: Container) -> float:
    """Return how many images wait or are computed on 8002."""
    text = httpx.get(f"http://{container.url(8002)}/metrics").raise_for_status().text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    return float(families["bakeoff_outstanding_images"].samples[0].value)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_program_comes_back(confined: Container, program: str) -> None:
    confined.wait(200)
    victim = confined.kill(PROGRAMS[program])
    confined.wait(503, 30)
    assert not confined.sample().probe
    confined.wait(200)
    assert confined.program(PROGRAMS[program]).pid != victim
    assert confined.sample().probe


def test_orphans_are_reaped(confined: Container) -> None:
    podman("exec", confined.name, "sh", "-c", "(sleep 0.5 &) ; exit 0")
    time.sleep(2)
    assert [process for process in confined.processes() if process.status() == psutil.STATUS_ZOMBIE] == []


def test_a_program_that_cannot_live_ends_the_container(image: str, tmp_path: Path) -> None:
    broken = tmp_path / "tritonserver"
    broken.write_text("#!/bin/sh\necho the disk is on fire\nexit 3\n")
    broken.chmod(0o755)
    running = Container.run("bakeoff-test-fatal", 14_300, "--volume", f"{broken}:/opt/tritonserver/bin/tritonserver:ro")
    try:
        assert running.exit_code() == 1
        assert "  the disk is on fire\nbakeoff: failed: triton-onnx ended at every start" in running.log()
    finally:
        running.remove()


def test_a_stop_during_the_checks_is_heard(image: str) -> None:
    """A shell that is a container's first process ignores SIGTERM unless it has been told otherwise."""
    running = Container.run("bakeoff-test-early", 14_400)
    try:
        time.sleep(0.5)
        podman("stop", "--time", "10", running.name)
        assert running.inspect()["State"]["ExitCode"] == 143  # SIGTERM; 137 would be the engine's SIGKILL
    finally:
        running.remove()


def test_stop_finishes_what_was_accepted(confined: Container, reference: Reference) -> None:
    """It is stopped in the middle of two requests, and started again for the other tests."""
    confined.wait(200)
    answers: dict[int, object] = {}

    def embed(port: int) -> None:
        try:
            answers[port] = confined.embed(reference.files, port)
        except Exception as error:  # an answer that did not come is what this test looks for
            answers[port] = error

    threads = [threading.Thread(target=embed, args=(port,)) for port in (8002, 8010)]
    idle_s = cpu_s(confined, STUB)
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while not (outstanding(confined) and cpu_s(confined, STUB) > idle_s + 0.1) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert answers == {}  # both are being computed
    try:
        family = confined.processes()
        began = time.monotonic()
        stopped = subprocess.run(
            ["podman", "--runtime", "runc", "stop", "--time", "10", confined.name], capture_output=True, timeout=60
        )
        took = time.monotonic() - began
        for thread in threads:
            thread.join(30)
        assert stopped.returncode == 0
        assert confined.inspect()["State"]["ExitCode"] == 0
        assert took < 10  # afterwards the engine kills, and what was accepted would be lost
        assert set(answers) == {8002, 8010}
        for port, found in answers.items():
            assert isinstance(found, np.ndarray), f"{port}: {type(found).__name__} {found}"
            assert np.abs(found - reference.embeddings).max() < ROW_TOLERANCE
        assert psutil.wait_procs(family, timeout=2)[1] == []
    finally:
        podman("start", confined.name)
        confined.wait(200)
