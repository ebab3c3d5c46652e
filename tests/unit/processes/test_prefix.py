"""The filter of a program's lines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from server import logs
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
    assert answer == [b"[onnx] " + b"\xff" * prefix.LONGEST, b"[onnx] ... " + b"\xff" * 5]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("sent", ["\x1b[2J\r[gate] x", "\x9b31m\x7f", "a\x85b\u2028c\u202ed", "\x00\x08"])
def test_no_line_can_forge_another_or_tell_a_terminal_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, sent: str
) -> None:
    monkeypatch.setenv("LOG_FORMAT", form)
    answer = run(f"{sent}\n".encode(), tmp_path / "last").decode()
    assert not logs.MISLEADING.search(answer.removesuffix("\n"))
    assert not logs.MISLEADING.search((tmp_path / "last").read_text().removesuffix("\n"))
    if form == "json":
        assert json.loads(answer)["message"] == sent


def test_what_is_escaped_is_not_longer_than_one_write(tmp_path: Path) -> None:
    answer = run(b"\x1b" * 3 * prefix.LONGEST, tmp_path / "last").splitlines(keepends=True)
    assert all(line.startswith(b"[onnx] ") and len(line) <= 4096 for line in answer)


def test_of_lines_beyond_a_rate_the_number_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = 5_000
    lines = b"x\n" * (prefix.LINES_AT_ONCE + more)
    answer = run(lines, tmp_path / "last").splitlines()
    told = [int(line.split()[1]) for line in answer if b"left out" in line]
    assert sum(told) + answer.count(b"[onnx] x") == prefix.LINES_AT_ONCE + more
    assert len(answer) < prefix.LINES_AT_ONCE + more / 2
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert len(run(lines, tmp_path / "last").splitlines()) == prefix.LINES_AT_ONCE + more


def test_after_a_flood_lines_pass_again() -> None:
    now = 0.0
    flow = prefix.Flow(lambda: now)
    assert [flow.passes() for _ in range(prefix.LINES_AT_ONCE + 2)][-3:] == [True, False, False]
    now = 1.0
    assert [flow.passes() for _ in range(prefix.LINES_PER_S + 1)] == [True] * prefix.LINES_PER_S + [False]
    assert flow.told().startswith("3 lines")
    assert flow.left_out == 0


def test_both_escape_the_same() -> None:
    assert prefix.MISLEADING.pattern == logs.MISLEADING.pattern


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
