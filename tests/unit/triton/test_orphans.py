"""Processes that a killed tritonserver leaves behind."""

import subprocess
import sys
from pathlib import Path

from server.triton.orphans import end_orphans

SLEEP = "import time; time.sleep(60)"


def test_processes_of_this_repository_are_killed_and_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "onnx"
    model, other = folder / "1" / "model.py", tmp_path / "onnx-2" / "1" / "model.py"
    stub, stranger = (subprocess.Popen([sys.executable, "-c", SLEEP, str(path)]) for path in (model, other))
    try:
        assert end_orphans(folder) == 1
        assert stub.wait(10) == -9
        assert stranger.poll() is None
        assert end_orphans(folder) == 0
    finally:
        for process in (stub, stranger):
            process.kill()
            process.wait()
