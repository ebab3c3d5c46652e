"""That what builds engines is what serves them, and that there is something to serve them with."""

import os
from pathlib import Path

import pytest
import tensorrt_rtx_libs

from server.tensorrt import builder_process, runtime
from server.tensorrt.builder_process import Platform
from server.triton import tensorrt_backend
from server.triton.installation import Installation
from server.triton.tensorrt_backend import (
    VersionMismatch,
    check_versions,
    decode_version,
    library_version,
    unavailable_reason,
)

LIBRARY = Path(tensorrt_rtx_libs.__file__).parent / "libtensorrt_rtx.so.1"
IMAGE = Installation(Path("/t"), Path("/b"), None, ())


def building(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(builder_process, "describe", lambda: Platform("tensorrt", version, "NVIDIA Test", "9.0", None))


def test_without_a_backend_nothing_serves_tensorrt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtime, "unavailable_reason", lambda _hardware: None)
    assert unavailable_reason(None) is None  # type: ignore[arg-type]  # it is not looked at
    monkeypatch.setattr(tensorrt_backend, "PYTHON_BACKENDS", tmp_path)
    assert unavailable_reason(None) == "this tritonserver has no TensorRT backend"  # type: ignore[arg-type]


def test_what_keeps_the_machine_from_tensorrt_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "unavailable_reason", lambda _hardware: "no GPU")
    assert unavailable_reason(None) == "no GPU"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "version"),
    [(8600, "8.6.0"), (8601, "8.6.1"), (100300, "10.3.0"), (101303, "10.13.3"), (110000, "11.0.0")],
)
def test_version_numbers_of_both_kinds(number: int, version: str) -> None:
    assert decode_version(number) == version


def linked_with(folder: Path, line: str) -> dict[str, str]:
    """Return an environment whose `ldd` says `line`."""
    program = folder / "ldd"
    program.write_text(f"#!/bin/sh\necho '{line}'\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_the_version_is_the_loaded_librarys_own(tmp_path: Path) -> None:
    variables = linked_with(tmp_path, f"\tlibnvinfer.so.10 => {LIBRARY} (0x00007f)")
    assert library_version("libtriton_tensorrt.so", variables) == "1.7.1"


@pytest.mark.parametrize("line", ["libc.so.6 => /lib/libc.so.6 (0x1)", "libnvinfer.so.10 => not found"])
def test_a_backend_without_its_library_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(VersionMismatch, match=r"libtriton_tensorrt\.so: no libnvinfer"):
        library_version("libtriton_tensorrt.so", linked_with(tmp_path, line))


def test_two_versions_stop_with_both_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    building(monkeypatch, "10.4.0.26")
    monkeypatch.setattr(tensorrt_backend, "library_version", lambda *_: "10.3.0")
    with pytest.raises(VersionMismatch, match=r"TensorRT 10\.4\.0\.26, but Triton loads TensorRT 10\.3\.0"):
        check_versions(IMAGE)


def test_one_version_is_fine_and_our_backend_has_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    building(monkeypatch, "10.3.0.26")
    monkeypatch.setattr(tensorrt_backend, "library_version", lambda *_: "10.3.0")
    check_versions(IMAGE)
    monkeypatch.setattr(tensorrt_backend, "library_version", lambda *_: pytest.fail("there is no other library"))
    check_versions(Installation(Path("/t"), Path("/b"), Path("/stub"), ()))
