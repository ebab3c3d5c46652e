import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench import startup
from bench.errors import BenchError
from bench.startup import cold_and_warm, parse_startup

ROOT = Path(__file__).parents[3]


def entry(**changes: Any) -> dict[str, Any]:
    return {"state": "ready", "reason": None, "elapsed_s": 3.5, "timings_s": {"loading": 3.0}} | changes


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name in startup.MODEL_FILES:
        (home / name).touch()
    return home


def entrypoint(path: Path, script: str) -> Path:
    """A double of the entrypoint: a stack that never becomes ready, or ends."""
    file = path / "entrypoint"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_figures_of_a_start_come_from_its_readiness_document() -> None:
    document = {
        "backends": {
            "tensorrt": entry(timings_s={"loading": 1.0, "compiling": 60.5, "verifying": None}),
            "onnx": entry(state="skipped", reason="no GPU", elapsed_s=None, timings_s={}),
        }
    }
    found = parse_startup(document, 70.0)
    assert found.ready_s == 70.0
    assert found.backends["tensorrt"].stages_s == {"loading": 1.0, "compiling": 60.5}
    assert found.backends["tensorrt"].compile_s == 60.5
    assert (found.backends["onnx"].reason, found.backends["onnx"].compile_s) == ("no GPU", 0.0)


def test_a_stack_that_ends_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "ENTRYPOINT", entrypoint(home.parent, "echo out of memory >&2; exit 1"))
    with pytest.raises(BenchError, match=r"(?s)has ended; its log ends with:\nout of memory"):
        cold_and_warm(home, shift=1)


def test_a_stack_that_is_never_ready_is_stopped_with_all_that_it_started(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = home.parent / "pids"
    script = f"sleep 300 & echo $! $$ > {pids}; wait"
    monkeypatch.setattr(startup, "ENTRYPOINT", entrypoint(home.parent, script))
    with pytest.raises(BenchError, match="is not ready after"):
        cold_and_warm(home, shift=1, timeout_s=1)
    assert not any(runs(int(pid)) for pid in pids.read_text().split())


def test_a_terminated_benchmark_stops_the_second_stack(home: Path) -> None:
    pids = home.parent / "pids"
    script = entrypoint(home.parent, f"sleep 300 & echo $! $$ > {pids}; echo; wait")
    program = (
        "import sys; from pathlib import Path; from bench import startup\n"
        f"startup.ENTRYPOINT = Path({str(script)!r})\n"
        "startup._ready = lambda url: print('asked', flush=True)\n"
        f"startup.cold_and_warm(Path({str(home)!r}), shift=1)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as benchmark:
        assert benchmark.stdout
        while not pids.exists() or not pids.read_text():
            assert benchmark.stdout.readline()
        benchmark.send_signal(signal.SIGTERM)
        benchmark.stdout.read()
        assert benchmark.wait(30) == 128 + signal.SIGTERM
    assert not any(runs(int(pid)) for pid in pids.read_text().split())


def test_a_home_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"weights, onnx, model.json missing; start the stack there once"):
        cold_and_warm(tmp_path)
