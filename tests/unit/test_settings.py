"""Settings say what is wrong with a value; the README's table is the class."""

from pathlib import Path

import pytest

from bakeoff.settings_table import settings_table
from server.backend_addresses import addresses, pytorch_url
from server.home import ROOT, bakeoff_home
from server.settings import Settings, SettingsError, load_settings


def test_the_readme_has_the_table() -> None:
    assert settings_table() in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MAX_BATCH_SIZE", "0", "MAX_BATCH_SIZE='0': input should be greater than or equal to 1"),
        ("MAX_BATCH_SIZE", "many", "MAX_BATCH_SIZE='many': input should be a valid integer"),
        ("DEVICE", "gpu", "DEVICE='gpu': input should be 'auto', 'cuda' or 'cpu'"),
        ("BACKENDS", "pytorch,keras", "BACKENDS='keras': input should be 'pytorch', 'onnx' or 'tensorrt'"),
        ("BACKENDS", ",", "BACKENDS"),
        ("ONNX_HTTP_PORT", "8002", "ONNX_HTTP_PORT and PYTORCH_HTTP_PORT are both 8002"),
        ("REQUIRED_BACKENDS", "keras", "REQUIRED_BACKENDS='keras': input should be 'pytorch', 'onnx' or 'tensorrt'"),
        (
            "TENSORRT_OPTIMIZATION_LEVEL",
            "6",
            "TENSORRT_OPTIMIZATION_LEVEL='6': input should be less than or equal to 5",
        ),
        ("ONNX_GRPC_PORT", "70000", "ONNX_GRPC_PORT='70000': input should be less than or equal to 65535"),
    ],
)
def test_an_invalid_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert words in str(caught.value)


def test_what_is_required_is_enabled() -> None:
    with pytest.raises(ValueError, match="REQUIRED_BACKENDS names tensorrt, which BACKENDS does not enable"):
        Settings(backends=("onnx",), required_backends=("onnx", "tensorrt"))


def test_lists_and_empty_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDS", " onnx, pytorch ,onnx")
    monkeypatch.setenv("MAX_BATCH_SIZE", "")
    settings = load_settings()
    assert settings.backends == ("onnx", "pytorch")
    assert settings.max_batch_size == 128


def test_the_health_check_finds_the_same_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    assert bakeoff_home() == load_settings().bakeoff_home == tmp_path
    monkeypatch.delenv("BAKEOFF_HOME")
    assert bakeoff_home() == load_settings().bakeoff_home


def test_backends_are_the_enabled_ones_and_reached_by_loopback() -> None:
    settings = Settings(host="0.0.0.0", backends=("tensorrt", "onnx"), onnx_http_port=9010)
    table = addresses(settings)
    assert list(table) == ["onnx", "tensorrt"]
    assert table["onnx"].url == "http://127.0.0.1:9010"
    assert table["onnx"].grpc_url == "127.0.0.1:8011"
    assert pytorch_url(settings) == "http://127.0.0.1:8002"
