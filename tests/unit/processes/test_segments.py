"""What Tritons that were killed leave in /dev/shm."""

from pathlib import Path

import pytest

from server import shared_memory
from server.backend_addresses import addresses
from server.processes import segments
from server.settings import Settings

SETTINGS = Settings(backends="onnx", onnx_http_port=8010, tensorrt_http_port=8020)
ONNX = ["bakeoff-onnx-8010-a", "bakeoff-onnx-8010-b"]
OTHERS = ["bakeoff-onnx-80100-a", "bakeoff-onnx-9010-a", "bakeoff-tensorrt-8021-a", "somebody-else"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path)
    for name in [*ONNX, "bakeoff-tensorrt-8020-a", *OTHERS]:
        (tmp_path / name).touch()
    return tmp_path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_triton_that_starts_removes_its_own(folder: Path) -> None:
    segments.remove(addresses(SETTINGS)["onnx"])
    assert left(folder) == sorted(["bakeoff-tensorrt-8020-a", *OTHERS])


def test_a_stack_removes_those_of_every_triton_also_of_one_that_is_not_enabled_any_more(folder: Path) -> None:
    segments.remove_all(SETTINGS)
    assert left(folder) == OTHERS


def test_where_there_is_no_shared_memory_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path / "none")
    segments.remove_all(SETTINGS)
