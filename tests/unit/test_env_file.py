"""`.env` in an encoding of another system, or one that may not be read, is one sentence wherever it is read."""

import subprocess
import sys
from pathlib import Path

import pytest

from server import home
from server.home import ROOT, EnvFileProblem, bakeoff_home, env_file
from server.keys import configured_keys
from server.settings import Settings, SettingsError, load_settings

NOT_UTF8 = {
    "UTF-16": "PRETRAINED=random\n".encode("utf-16"),
    "UTF-16 ": "PRETRAINED=random\n".encode("utf-16-le"),  # without a mark, as some editors write it
    "byte 0xe9 in line 2": b"# caf\xc3\xa9\n# caf\xe9\n",  # Latin-1
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / ".env"
    monkeypatch.setattr(home, "ENV_FILE", path)
    monkeypatch.setitem(Settings.model_config, "env_file", path)
    return path


@pytest.mark.parametrize("words", NOT_UTF8)
@pytest.mark.parametrize("read", [env_file, bakeoff_home, configured_keys])
def test_another_encoding_is_named(file: Path, words: str, read: object) -> None:
    file.write_bytes(NOT_UTF8[words])
    with pytest.raises(EnvFileProblem) as caught:
        read()  # type: ignore[operator]
    assert str(caught.value) == f"{file} is not UTF-8 text ({words.strip()}); save it as UTF-8"


@pytest.mark.parametrize("words", NOT_UTF8)
def test_the_settings_say_it_too(file: Path, words: str) -> None:
    file.write_bytes(NOT_UTF8[words])
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load_settings()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_with_a_mark_and_without(file: Path, encoding: str) -> None:
    file.write_bytes("BAKEOFF_HOME=/srv/größe\nAPI_KEY=one\n".encode(encoding))
    assert env_file() == {"BAKEOFF_HOME": "/srv/größe", "API_KEY": "one"}
    assert bakeoff_home() == load_settings().bakeoff_home == Path("/srv/größe")
    assert configured_keys() == load_settings().keys == ("one",)


def test_a_folder_of_that_name_is_somebodys_virtual_environment(file: Path) -> None:
    file.mkdir()
    assert env_file() == {}


@pytest.mark.parametrize("verb", ["health", "status", "preflight", "export", "down"])
def test_every_verb_says_it_in_one_sentence(tmp_path: Path, verb: str) -> None:
    (tmp_path / ".env").write_bytes(NOT_UTF8["UTF-16"])
    code = (
        "import pathlib, sys; from server import home; home.ENV_FILE = pathlib.Path(sys.argv.pop(1)); "
        "from bakeoff.__main__ import main; main()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / ".env"), verb]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "is not UTF-8 text (UTF-16); save it as UTF-8" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
