"""Processes that a killed tritonserver leaves behind."""

import subprocess
import sys
from pathlib import Path

from server.triton.orphans import end_orphans

SLEEP = "import time; time.sleep(60)"


def test_processes_of_this_repository_are_killed_and_no_others(tmp_path: Path) -> None:
    repository = Path("model_repository/onnx")
    elsewhere = tmp_path / "another home"
    elsewhere.mkdir()

    def sleeping(model: str, home: Path) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", SLEEP, model], cwd=home)

    stub = sleeping("model_repository/onnx/1/model.py", tmp_path)
    strangers = [
        sleeping("model_repository/onnx-2/1/model.py", tmp_path),
        sleeping(f"{repository}/1/model.py", elsewhere),
    ]
    try:
        assert end_orphans(tmp_path, repository) == 1
        assert stub.wait(10) == -9
        assert [stranger.poll() for stranger in strangers] == [None, None]
        assert end_orphans(tmp_path, repository) == 0
    finally:
        for process in (stub, *strangers):
            process.kill()
            process.wait()
