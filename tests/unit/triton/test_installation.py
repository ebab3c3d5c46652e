"""Finding a tritonserver, and what is said when there is none."""

import os
import sysconfig
from pathlib import Path

import pytest

from server.triton import installation
from server.triton.installation import (
    Installation,
    InstallationError,
    compose_backends,
    environment,
    find_installation,
    options,
)


def test_nvidias_image_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tritonserver").touch()
    monkeypatch.setattr(installation, "NATIVE", tmp_path)
    found = find_installation()
    assert found.binary == tmp_path / "bin" / "tritonserver"
    assert compose_backends(found, tmp_path / "unused") == tmp_path / "backends"
    assert not (tmp_path / "unused").exists()


def test_the_wheel_is_found_and_gets_our_backends_beside_its_own(tmp_path: Path) -> None:
    found = find_installation()
    assert found.binary.is_file()
    assert all(folder.is_dir() for folder in found.library_path)
    composed = compose_backends(found, tmp_path / "backends")
    assert (composed / "onnxruntime" / "model.py").is_file()
    assert os.access(composed / "python" / "triton_python_backend_stub", os.X_OK)
    assert not any(path.is_symlink() for path in composed.rglob("*"))  # Triton refuses those


def test_the_options_are_those_that_the_binary_itself_names() -> None:
    known = options(find_installation())
    assert {"http-port", "backend-directory", "exit-timeout-secs", "grpc-restricted-protocol"} <= known
    assert "http-max-input-size" not in known  # which the wheel's 2.51 does not have


def test_a_binary_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    double = tmp_path / "tritonserver"
    double.touch(0o644)
    with pytest.raises(InstallationError, match=f"{double} cannot be run: .*Permission denied"):
        options(Installation(double, tmp_path, None, ()))


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InstallationError, match="run `make setup`"):
        find_installation()


def test_a_missing_libpython_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _name: "/nowhere")
    with pytest.raises(InstallationError, match=r"apt-get install libpython3\.1\d"):
        find_installation()


def test_the_stub_takes_this_virtual_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    variables = environment(Installation(Path("/t"), Path("/b"), None, (Path("/l1"), Path("/l2"))))
    assert variables["PATH"].endswith(":/usr/bin")
    assert Path(variables["PATH"].partition(":")[0], "python").exists()
    assert variables["LD_LIBRARY_PATH"] == "/l1:/l2:/opt/lib"
