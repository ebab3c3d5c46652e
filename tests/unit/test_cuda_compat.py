"""Which drivers need, and get, CUDA forward compatibility."""

from pathlib import Path

import pytest

from server import cuda_compat


@pytest.fixture
def compat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image on CUDA 13.3 with a `cuda-compat` folder, and a driver for CUDA 12.2."""
    (tmp_path / "libcuda.so.1").touch()
    monkeypatch.setattr(cuda_compat, "FOLDERS", (str(tmp_path / "absent"), str(tmp_path)))
    monkeypatch.setenv("CUDA_VERSION", "13.3.0.040")
    monkeypatch.setattr(cuda_compat, "driver_cuda", lambda: (12, 2))
    return tmp_path


def works(answer: bool, seen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def initialises(environment: dict[str, str] | None = None) -> bool:
        seen.append((environment or {}).get("LD_LIBRARY_PATH", ""))
        return answer

    monkeypatch.setattr(cuda_compat, "initialises", initialises)


def test_an_old_driver_on_a_data_centre_gpu(compat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/other")
    works(True, seen := [], monkeypatch)
    assert cuda_compat.folder() == compat
    assert seen == [f"{compat}:/opt/other"]


def test_an_old_driver_on_a_consumer_gpu(compat: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works(False, [], monkeypatch)
    assert cuda_compat.folder() is None
    found, remedy = cuda_compat.problem() or ("", "")
    assert "CUDA 12.2" in found
    assert "CUDA 13.3" in found
    assert "Older drivers" in remedy


@pytest.mark.parametrize("driver", [(13, 0), (13, 3), (14, 0), None])
def test_other_drivers_need_nothing(
    compat: Path, driver: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda_compat, "driver_cuda", lambda: driver)
    works(True, seen := [], monkeypatch)
    assert cuda_compat.folder() is None
    assert seen == []


def test_a_gpu_whose_driver_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_compat, "driver_cuda", lambda: None)
    assert "libcuda.so.1" in (cuda_compat.problem() or ("", ""))[0]


@pytest.mark.parametrize("value", ["", "13", "x.y"])
def test_outside_of_an_image_there_is_no_cuda_version(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VERSION", value)
    assert cuda_compat.image_cuda() is None


def test_a_machine_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_compat, "DRIVER", "libcuda-that-is-not-there.so.1")
    assert cuda_compat.driver_cuda() is None
    assert not cuda_compat.initialises()
