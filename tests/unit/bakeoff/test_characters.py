"""A terminal that is not UTF-8 gets every report and every name, in characters that it has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff.characters import in_ascii
from bench.result import FILE
from tests.unit.bench.report.synthetic import synthetic_result

ROOT = Path(__file__).resolve().parents[3]


def bakeoff(encoding: str, *words: str) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "bakeoff", *words], cwd=ROOT, env=environment, capture_output=True, check=False
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_report_is_printed_in_every_locale(tmp_path: Path, encoding: str) -> None:
    result = synthetic_result({"pytorch": 20.0, "onnx": 30.0}, gpu=False, batches=(2,), meaningful=False)
    (tmp_path / FILE).write_text(result.model_dump_json(), encoding="utf-8")
    done = bakeoff(encoding, "report", str(tmp_path))
    assert done.returncode == 0, done.stderr
    bar = "▌" if encoding == "utf-8" else "|"
    assert f"{bar} Random weights: the embeddings mean nothing" in done.stdout.decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_name_that_is_no_text_can_be_named(tmp_path: Path, encoding: str) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    done = bakeoff(encoding, "report", "--results", str(folder))
    assert done.returncode == 1
    assert b"no run in " in done.stderr
    assert b"caf\\xe9; run `bakeoff bench` first" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("character", "text"),
    [("▌", "|"), ("•", "*"), ("━", "-"), ("│", "|"), ("┼", "+"), ("█", "#"), ("é", "e"), ("½", "1?2"), ("ö", "o"), ("猫", "?"), ("\udce9", r"\xe9")],
)  # fmt: skip
def test_what_stands_for_a_character_looks_like_it(character: str, text: str) -> None:
    assert in_ascii(character) == text
