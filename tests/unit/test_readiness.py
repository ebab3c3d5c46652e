"""The readiness document is believed only while its gate lives."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from server import readiness
from server.readiness import read_document, write_document

READY = {"ready": True, "since": "2026-01-01T00:00:00+00:00", "model": {}, "backends": {}}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "state" / "ready.json"
    write_document(file, READY)
    found = read_document(file)
    assert found["ready"] is True
    assert abs(found["updated"] - time.time()) < 5
    assert [path.name for path in file.parent.iterdir()] == ["ready.json"]


def test_a_missing_document_is_not_ready(tmp_path: Path) -> None:
    found = read_document(tmp_path / "ready.json")
    assert found["ready"] is False
    assert found["backends"] == {}
    assert "not started" in found["note"]


def test_a_damaged_document_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "ready.json").write_text('{"ready": tr')
    assert read_document(tmp_path / "ready.json")["ready"] is False


def test_a_stale_document_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ready.json"
    now = 1000.0
    monkeypatch.setattr(readiness, "_since_boot", lambda: now)
    write_document(file, READY)
    now += 4
    assert read_document(file)["ready"] is True
    now += 1
    found = read_document(file)
    assert found["ready"] is False
    assert found["since"] == READY["since"]
    assert found["note"] == "the readiness gate has not reported for 5 s"


def test_a_document_that_does_not_say_when_it_was_written_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "_since_boot", lambda: 1000.0)
    (tmp_path / "ready.json").write_text(json.dumps({**READY, "updated": time.time()}))
    assert read_document(tmp_path / "ready.json")["ready"] is False


def test_the_health_check_imports_nothing_heavy() -> None:
    code = "import sys, bakeoff.health; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "pydantic", "typer", "rich", "httpx"} & set(modules)


@pytest.mark.parametrize("jump_s", [-1e6, 1e6])
def test_a_clock_that_is_set_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    file = tmp_path / "ready.json"
    write_document(file, READY)
    now = time.time() + jump_s
    monkeypatch.setattr("server.readiness.time.time", lambda: now)
    assert read_document(file)["ready"] is True


def test_a_document_of_an_earlier_boot_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ready.json"
    write_document(file, READY)
    monkeypatch.setattr("server.readiness.time.clock_gettime", lambda _: 5.0)
    assert read_document(file)["ready"] is False


def test_a_full_disk_is_survived_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ready.json"
    write_document(file, {**READY, "ready": False})

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    write_document(file, READY)
    found = read_document(file)
    assert found["ready"] is True
    assert "No space left" in found["note"]
    with pytest.raises(OSError, match="No space left"):
        write_document(file, {**READY, "model": {"name": "x" * 100_000}})
    assert read_document(file)["ready"] is True


def test_a_document_that_is_being_overwritten_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ready.json"
    file.write_text('{"ready": tr')
    monkeypatch.setattr("server.readiness.time.sleep", lambda _: write_document(file, READY))
    assert read_document(file)["ready"] is True
