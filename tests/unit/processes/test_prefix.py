"""The filter of a program's lines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from server.processes import prefix


def run(data: bytes, file: Path) -> bytes:
    command = [sys.executable, "-ISE", prefix.__file__, "onnx", str(file)]
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=30).stdout


def test_every_line_is_named_and_the_last_are_kept(tmp_path: Path) -> None:
    lines = [f"line {number}".encode() for number in range(40)]
    assert run(b"\n".join(lines), tmp_path / "last").splitlines() == [b"[onnx] " + line for line in lines]
    assert (tmp_path / "last").read_bytes().splitlines() == lines[-prefix.KEPT_LINES :]


def test_any_bytes_pass_and_long_lines_are_cut_into_named_pieces(tmp_path: Path) -> None:
    answer = run(b"\xff" * (prefix.LONGEST + 5) + b"\n", tmp_path / "last").splitlines()
    assert [len(line) for line in answer] == [7 + prefix.LONGEST, 7 + 5]
    assert all(line.startswith(b"[onnx] \xff") for line in answer)


def test_as_json_every_line_is_an_object_with_the_programs_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "json")
    lines = run(b'{"message": "ours", "status": 503}\nI1125 Triton says "so"\n[1]\n', tmp_path / "last").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"program": "onnx", "message": "ours", "status": 503},
        {"program": "onnx", "message": 'I1125 Triton says "so"'},
        {"program": "onnx", "message": "[1]"},
    ]
