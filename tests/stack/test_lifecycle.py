"""Readiness tells the truth: at the start, after every kind of death, and at the end."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from server import shared_memory
from server.readiness import read_document, write_document
from server.state import READINESS
from tests.stack.conftest import SHIFT
from tests.stack.stack import PRECISION, RunningStack, same_model, start

PROGRAMS = {"pytorch": "server.pytorch", "triton-onnx": "bin/tritonserver", "readiness": "server.gate"}


def test_the_start_was_seen_not_ready_before_it_was_ready(stack: RunningStack) -> None:
    assert stack.codes[0] == 503
    assert stack.codes[-1] == 200
    log = stack.log.read_text()
    for state in ("loading", "warming", "verifying", "ready"):
        assert f"onnx: {state}" in log
        assert f"pytorch: {state}" in log


def test_the_document_says_everything(stack: RunningStack) -> None:
    _, document = stack.ready()
    assert document["since"]
    assert document["model"]["source"] == "random"
    tensorrt = document["backends"]["tensorrt"]
    assert tensorrt["state"] == "ready" or tensorrt["reason"]
    for name in ("pytorch", "onnx"):
        backend = document["backends"][name]
        assert backend["state"] == "ready"
        assert backend["progress"] == 1
        assert backend["parity"]["pixels"]["error"] <= backend["parity"]["pixels"]["error_bound"]
        assert set(backend["timings_s"]) == {"starting", "loading", "warming", "verifying"}


def test_the_launchers_line_is_printed_once_for_every_time_it_becomes_ready(stack: RunningStack) -> None:
    """Other tests may have harmed the stack before; then it became ready once more."""
    *before, _ = stack.log.read_text().split("bakeoff: ready\n")
    assert before
    assert all(": starting" in part for part in before)


def test_health_and_status_agree(stack: RunningStack) -> None:
    assert stack.bakeoff("health").returncode == 0
    status = stack.bakeoff("status")
    assert status.returncode == 0
    assert "pytorch" in status.stdout


@contextlib.contextmanager
def kept_fresh(file: Path) -> Iterator[None]:
    """Renew the readiness document as the gate would that sees nothing new."""
    document, done = read_document(file), threading.Event()
    assert document["ready"]

    def renew() -> None:
        while not done.wait(0.5):
            write_document(file, document)

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_program_comes_back_without_help(stack: RunningStack, program: str) -> None:
    stack.wait(200)
    victim = stack.program(PROGRAMS[program])
    victim.kill()
    victim.wait(10)
    stack.wait(503, 30)
    stack.wait(200)
    assert stack.program(PROGRAMS[program]).pid != victim.pid
    assert stack.bakeoff("health").returncode == 0


def test_health_sees_a_stopped_backend_that_the_gate_has_not_seen_yet(stack: RunningStack) -> None:
    stack.wait(200)
    gate, triton = stack.program(PROGRAMS["readiness"]), stack.program(PROGRAMS["triton-onnx"])
    gate.suspend()
    triton.suspend()
    try:
        with kept_fresh(READINESS.at(stack.home)):
            answer = stack.bakeoff("health")
    finally:
        triton.resume()
        gate.resume()
    assert answer.returncode == 1
    assert f"onnx: {stack.url('onnx')} does not answer" in answer.stderr
    stack.wait(200)


def test_memory_of_the_whole_stack(stack: RunningStack) -> None:
    stack.wait(200)
    family = [psutil.Process(stack.process.pid), *stack.processes()]
    assert sum(process.memory_info().rss for process in family) < 6e9


def test_a_second_stack_disturbs_nobody(stack: RunningStack, exported: Path, tmp_path: Path) -> None:
    other = start(same_model(exported, tmp_path), stack.shift + 1000, BACKENDS="pytorch", PRECISION=PRECISION)
    try:
        other.wait(200)
        assert stack.ready()[0] == 200
        family = other.processes()
        assert other.stop() == 0
    finally:
        other.stop()
    assert stack.ready()[0] == 200
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_a_second_stack_in_the_same_folder_is_refused(stack: RunningStack) -> None:
    environment = {**stack.environment, "PYTORCH_HTTP_PORT": "31002"}
    answer = subprocess.run(
        [sys.executable, "-m", "server.processes.supervisor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 1
    assert "already runs" in answer.stderr
    assert stack.ready()[0] == 200


def test_taken_ports_stop_the_start(stack: RunningStack, tmp_path) -> None:
    other = start(tmp_path / "other", stack.shift)
    assert other.process.wait(60) == 1
    assert "in use" in other.log.read_text()


def test_a_program_that_cannot_start_takes_everything_down(stack: RunningStack, tmp_path) -> None:
    home = tmp_path / "broken"
    home.mkdir()
    (home / "model.json").write_text((stack.home / "model.json").read_text())  # describes weights that are not there
    (home / "weights").mkdir()
    (home / "weights" / "reference.npz").symlink_to(stack.home / "weights" / "reference.npz")
    environment = {
        **stack.environment, "BAKEOFF_HOME": str(home), "BACKENDS": "pytorch", "PYTORCH_HTTP_PORT": "31002",
        "PRETRAINED": str(home / "nothing.pt"),
    }  # fmt: skip
    process = subprocess.run(
        [sys.executable, "-m", "server.processes.supervisor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 1
    assert "ended at every start" in process.stderr
    said = process.stderr.partition("the last lines of pytorch:\n")[2]
    assert "no such file; give the path of an open_clip checkpoint" in said  # they cannot be made again either
    assert "Traceback" not in process.stdout


def test_an_invalid_setting_stops_the_start(tmp_path) -> None:
    other = start(tmp_path / "home", 21_000, MAX_BATCH_SIZE="0")
    assert other.process.wait(60) == 1
    assert "MAX_BATCH_SIZE='0'" in other.log.read_text()


def test_stopping_leaves_nothing_within_the_limit(exported: Path, tmp_path: Path) -> None:
    """No process, and in /dev/shm no photo, also of a stack before that was killed."""
    killed = shared_memory.FOLDER / f"bakeoff-tensorrt-{8020 + SHIFT + 2000}-left"
    killed.touch()
    other = start(same_model(exported, tmp_path), SHIFT + 2000)
    other.wait(200)
    assert not killed.exists()
    shared = list(shared_memory.FOLDER.glob(f"bakeoff-onnx-{8010 + SHIFT + 2000}-*"))
    assert shared
    family = other.processes()
    began = time.monotonic()
    assert other.stop() == 0
    assert time.monotonic() - began < 10
    assert [path for path in shared if path.exists()] == []
    _, alive = psutil.wait_procs(family, timeout=2)
    assert alive == []


def test_a_detached_stack_keeps_every_line_of_its_log(stack: RunningStack, exported: Path, tmp_path: Path) -> None:
    home = same_model(exported, tmp_path)
    environment = {
        **stack.environment, "BAKEOFF_HOME": str(home), "BACKENDS": "pytorch", "PRECISION": PRECISION,
        "PYTORCH_HTTP_PORT": "26002",
    }  # fmt: skip

    def bakeoff(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "bakeoff", *arguments], env=environment, check=True, timeout=120)

    bakeoff("up", "--detach")
    try:
        bakeoff("status", "--wait")
    finally:
        bakeoff("down")
    log = (home / "log" / "stack.log").read_text()
    places = [log.find(words) for words in ("GPU: ", "ports: ", "bakeoff: ready", "received SIGTERM")]
    assert -1 not in places
    assert places == sorted(places)
