"""Preflight says what it found and what to do, and stops only on what cannot work."""

import shutil
import socket
from collections import namedtuple
from pathlib import Path

from server.preflight import Finding, run_checks
from server.settings import Settings

Usage = namedtuple("Usage", "total used free")


def finding(subject: str, settings: Settings) -> Finding:
    (found,) = [one for one in run_checks(settings) if one.subject == subject]
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(bakeoff_home=tmp_path, backends=("pytorch",), pytorch_http_port=port)
        found = finding("ports", settings)
    assert found.level == "fail"
    assert f"{port} (PYTORCH_HTTP_PORT) in use" in found.found
    assert found.remedy


def test_only_the_enabled_backends_ports_matter(tmp_path: Path) -> None:
    port = free_port()
    found = finding("ports", Settings(bakeoff_home=tmp_path, backends=("pytorch",), pytorch_http_port=port))
    assert (found.level, found.found) == ("ok", f"{port} free on 127.0.0.1")


def test_a_full_disk_stops_the_start_only_while_the_model_is_not_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 10**12, 10**6))
    settings = Settings(bakeoff_home=tmp_path)
    assert finding("disk", settings).level == "fail"
    monkeypatch.setattr("server.model.artifacts.read", lambda _settings: object())
    from server.preflight import checks

    assert checks._disk(settings).level == "ok"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = finding("disk", Settings(bakeoff_home=tmp_path / "file" / "home"))
    assert found.level == "fail"
    assert "BAKEOFF_HOME" in str(found.remedy)


def test_little_shared_memory_is_a_warning(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(2**26, 0, 2**26))
    found = finding("shared memory", Settings(bakeoff_home=tmp_path))
    assert (found.level, found.found) == ("warn", "/dev/shm has 64 MiB free")
    assert "--shm-size" in str(found.remedy)


def test_a_gpu_that_is_asked_for_and_missing_stops_the_start(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("server.hardware.gpus", tuple)
    found = finding("GPU", Settings(bakeoff_home=tmp_path, device="cuda"))
    assert found.level == "fail"
    assert "--gpus all" in found.found
