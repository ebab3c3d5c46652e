import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench import second_stack
from bench.errors import BenchError
from bench.result import Startup
from bench.second_stack import ColdAndWarm, Start, cold_and_warm

ROOT = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    for name in second_stack.MODEL_FILES:
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


def started(**ready_s: float) -> Start:
    return Start(
        ready_s=99.0,
        backends=tuple(Startup(backend=name, ready_s=s, timings_s={}, compile_s=0) for name, s in ready_s.items()),
    )


def test_both_starts_are_added_to_the_backends_of_their_names() -> None:
    both = ColdAndWarm(cold=started(pytorch=9.0, onnx=5.0), warm=started(onnx=4.0, pytorch=8.0))
    (onnx, other) = both.added_to([*started(onnx=6.0).backends, *started(tensorrt=7.0).backends])
    assert (onnx.ready_s, onnx.cold_s, onnx.warm_s) == (6.0, 5.0, 4.0)
    assert (other.ready_s, other.cold_s, other.warm_s) == (7.0, None, None)


def test_a_stack_that_ends_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_stack, "ENTRYPOINT", entrypoint(home.parent, "echo out of memory >&2; exit 1"))
    with pytest.raises(BenchError, match=r"(?s)has ended; its log ends with:\nout of memory"):
        cold_and_warm(home, shift=1)


def test_a_stack_that_is_never_ready_is_stopped_with_all_that_it_started(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = home.parent / "pids"
    script = f"sleep 300 & echo $! $$ > {pids}; wait"
    monkeypatch.setattr(second_stack, "ENTRYPOINT", entrypoint(home.parent, script))
    with pytest.raises(BenchError, match="is not ready after"):
        cold_and_warm(home, shift=1, timeout_s=1)
    assert not any(runs(int(pid)) for pid in pids.read_text().split())


def test_a_terminated_benchmark_stops_the_second_stack(home: Path) -> None:
    pids = home.parent / "pids"
    script = entrypoint(home.parent, f"sleep 300 & echo $! $$ > {pids}; echo; wait")
    program = (
        "import sys; from pathlib import Path; from bench import startup\n"
        f"second_stack.ENTRYPOINT = Path({str(script)!r})\n"
        "second_stack._ready = lambda url: print('asked', flush=True)\n"
        f"second_stack.cold_and_warm(Path({str(home)!r}), shift=1)"
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
