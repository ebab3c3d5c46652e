"""The table of the state's files is the only place that knows their names."""

import re
from pathlib import Path

import pytest

from server.settings import Settings
from server.state import FILES, FOLDER, LAUNCH_PID, PAUSE, READINESS, StateFile, clear

ROOT = Path(__file__).parents[2]
SOURCES = [file for folder in ("server", "bakeoff", "bench") for file in (ROOT / folder).rglob("*.py")]
PATH = re.compile(r"\.state /|\"state\" /|/ \"state\"")
SCRIPT_NAME = re.compile(r"\$BAKEOFF_HOME/state/([\w.]+)|\$BAKEOFF_RUN/\$name(\.\w+)")


def test_nobody_else_puts_a_path_together() -> None:
    assert [file for file in SOURCES if PATH.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("script", ["entrypoint.sh", "server/processes/prefixed.sh"])
def test_the_scripts_use_the_tables_names(script: str) -> None:
    found = SCRIPT_NAME.findall((ROOT / script).read_text(encoding="utf-8"))
    assert found
    assert {name or f"*{ending}" for name, ending in found} <= {file.name for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_writers_and_readers_are_there(file: StateFile) -> None:
    for who in (file.writer, *file.readers):
        module = ROOT.joinpath(*who.split("."))
        script = (ROOT / who, ROOT / "server" / "processes" / who)
        assert module.is_dir() or module.with_suffix(".py").is_file() or any(path.is_file() for path in script), who


def test_no_name_stands_for_two_files() -> None:
    assert len({file.name for file in FILES}) == len(FILES)


def test_a_start_removes_what_it_must_not_believe_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    kept = [LAUNCH_PID.at(tmp_path), tmp_path / FOLDER / "somebody-elses"]
    for path in (*kept, READINESS.at(tmp_path), PAUSE.at(tmp_path, "pytorch"), PAUSE.at(tmp_path, "triton-onnx")):
        path.touch()
    clear(tmp_path)
    assert sorted((tmp_path / FOLDER).iterdir()) == kept


def test_the_files_lie_in_the_settings_folder() -> None:
    settings = Settings(bakeoff_home=Path("/somewhere"))
    assert READINESS.at(settings.bakeoff_home).parent == settings.home.state
