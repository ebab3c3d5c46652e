"""Preflight says what it found and what to do, and stops only on what cannot work."""

import resource
import shutil
import socket
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server import kept
from server.model import artifacts
from server.model.artifacts import Artifact, ModelArtifacts
from server.model.recipe import recipe
from server.preflight import Finding, run_checks
from server.settings import Settings, load_settings

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def no_gpu_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes its time where there is one, and has tests of its own."""
    monkeypatch.setattr("server.preflight.checks._libraries", lambda _settings: [])


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


def test_the_gateways_port_matters_where_pytorch_is_not_enabled(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(
            bakeoff_home=tmp_path, backends=("onnx",), pytorch_http_port=port, onnx_http_port=free_port()
        )
        found = finding("ports", settings)
    assert found.level == "fail"
    assert f"{port} (PYTORCH_HTTP_PORT) in use" in found.found


def test_the_gateway_needs_two_descriptors_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 1024))
    found = finding("open files", Settings(backends=("onnx",)))
    assert "8002 takes 416 connections instead of 4096" in found.found


@pytest.mark.parametrize(
    ("hard", "level", "words"),
    [
        (1023, "fail", "1023 a process, of at least 1024"),
        (1024, "warn", "8002 takes 832 connections instead of 4096 (MAX_CONNECTIONS)"),
        (524288, "ok", "524288 a process"),
        (resource.RLIM_INFINITY, "ok", "1048576 a process"),
    ],
)
def test_few_open_files_make_few_connections(monkeypatch, hard: int, level: str, words: str) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, hard))
    found = finding("open files", Settings())
    assert found.level == level
    assert words in found.found


def test_a_full_disk_stops_the_start_only_while_the_model_is_not_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 10**12, 10**6))
    settings = Settings(bakeoff_home=tmp_path)
    assert finding("disk", settings).level == "fail"
    monkeypatch.setattr("server.preflight.checks.exported", lambda _settings: object())
    from server.preflight import checks

    assert checks._disk(settings).level == "ok"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = finding("disk", Settings(bakeoff_home=tmp_path / "file" / "home"))
    assert found.level == "fail"
    assert "BAKEOFF_HOME" in str(found.remedy)


def test_no_place_for_temporary_files_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    found = finding("temporary files", Settings(bakeoff_home=tmp_path))
    assert found.level == "fail"
    assert "--tmpfs /tmp" in str(found.remedy)


@pytest.mark.parametrize(
    ("mebibytes", "backends", "level", "words"),
    [
        (64, ("pytorch", "onnx", "tensorrt"), "warn", "batches of up to 64 images and one image process"),
        (256, ("pytorch", "onnx", "tensorrt"), "warn", "holds 3 of 8 image processes"),
        (1024, ("pytorch", "onnx", "tensorrt"), "ok", "has 1024 MiB"),
        (64, ("pytorch",), "ok", "none is needed"),
        (0, ("onnx",), "fail", "there is no /dev/shm"),
    ],
)
def test_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mebibytes: int, backends: tuple[str, ...], level: str, words: str
) -> None:
    monkeypatch.setattr("server.shared_memory.size", lambda: mebibytes * 2**20)
    monkeypatch.setattr("server.preflight.checks.available_cores", lambda: 16)
    monkeypatch.setenv("BACKENDS", ",".join(backends))
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    found = finding("shared memory", load_settings())
    assert found.level == level
    assert words in found.found
    assert (found.remedy is None) == (level == "ok")


def test_a_gpu_that_is_asked_for_and_missing_stops_the_start(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("server.hardware.gpus", tuple)
    found = finding("GPU", Settings(bakeoff_home=tmp_path, device="cuda"))
    assert found.level == "fail"
    assert "--gpus all" in found.found


def test_a_model_that_was_exported_for_other_weights_is_not_called_exported(tmp_path: Path, monkeypatch) -> None:
    file = Artifact(path="file", size=1, sha256="0" * 64)
    settings = Settings(bakeoff_home=tmp_path, pretrained="random")
    model = ModelArtifacts(
        pretrained="random", source="random", note=None, recipe=recipe(settings), quick_gelu=False, weights=file,
        reference=file, onnx={"fp32": file, "fp16": file},
    )  # fmt: skip
    artifacts.write(model, settings)
    assert finding("model", settings).found == "random, exported"
    other = settings.model_copy(update={"pretrained": "openai"})
    assert finding("model", other).found == (
        "openai, not exported yet (what is there was made for PRETRAINED=random); the start will do it"
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 10**12, 10**6))
    assert (finding("disk", settings).level, finding("disk", other).level) == ("ok", "fail")


@pytest.mark.parametrize(
    ("keys", "backends", "level", "words"),
    [
        ("", "pytorch,onnx", "ok", "no API_KEY, so the ports are open to everybody who reaches 127.0.0.1"),
        ("one", "pytorch,onnx", "ok", "every port but liveness asks for a key (1 known)"),
        ("one,two", "pytorch", "ok", "every port but liveness asks for a key (2 known)"),
        ("one,two", "pytorch,onnx", "warn", "(2 known); Triton knows the first only, the others open 8002"),
    ],
)
def test_the_start_says_who_is_let_in_and_that_triton_knows_one_key(
    tmp_path: Path, keys: str, backends: str, level: str, words: str
) -> None:
    found = finding("access", Settings(bakeoff_home=tmp_path, api_key=keys, backends=backends))
    assert found.level == level
    assert found.found.endswith(words)


def keep(home: Path, *names: str) -> None:
    made = {"backends": names, "by": "ada@here", "when": datetime(2026, 11, 28, tzinfo=UTC)}
    kept.write(home, kept.Kept.model_validate(made))


def test_what_is_kept_is_all_that_is_started_and_the_ports_of_the_others_do_not_matter(tmp_path: Path) -> None:
    port = free_port()
    keep(tmp_path, "pytorch")
    settings = Settings(bakeoff_home=tmp_path, pytorch_http_port=port)
    found = finding("backends", settings)
    assert (found.level, found.found) == ("ok", "pytorch; onnx, tensorrt not started, because of `bakeoff keep`")
    assert finding("ports", settings).found == f"{port} free on 127.0.0.1"


def test_backends_that_are_set_outrank_what_is_kept_in_one_line(tmp_path: Path) -> None:
    keep(tmp_path, "onnx")
    found = finding("backends", Settings(bakeoff_home=tmp_path, backends=("pytorch",)))
    assert (found.level, found.found) == (
        "warn", "BACKENDS=pytorch is set and outranks onnx, which was kept by ada@here on 2026-11-28"
    )  # fmt: skip


def test_without_a_choice_the_settings_are_told(tmp_path: Path) -> None:
    assert finding("backends", Settings(bakeoff_home=tmp_path)).found == "pytorch, onnx, tensorrt"
