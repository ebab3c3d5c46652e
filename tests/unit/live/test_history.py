"""The last minutes, as the gate writes them and the page asks for them."""

import json
import time
from pathlib import Path

import pytest

from server.live.history import KEPT, Recorder, read_history


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "live.json"


def test_what_is_added_is_read_in_columns(path: Path) -> None:
    recorder = Recorder(path, ("a", "b"), {"processors": 2})
    recorder.add({"cpu": 0.123456}, {"a": {"images_per_s": 12.3456, "p50_ms": None}}, {"a": {"waiting": "images"}})
    recorder.add({}, {"b": {"images_per_s": 0.0}}, {})
    found = read_history(path)
    assert found["facts"] == {"processors": 2}
    assert found["notes"] == {"a": {"waiting": "images"}, "b": {}}
    assert found["machine"]["cpu"] == [0.1235, None]
    assert found["backends"]["a"]["images_per_s"] == [12.35, None]
    assert found["backends"]["b"]["images_per_s"] == [None, 0.0]


def test_only_the_last_minutes_are_kept_and_all_columns_are_of_one_length(path: Path) -> None:
    recorder = Recorder(path, ("a",), {})
    for value in range(KEPT + 5):
        recorder.add({"cpu": value}, {}, {})
    found = read_history(path)
    columns = [found["at"], *found["machine"].values(), *found["backends"]["a"].values()]
    assert {len(column) for column in columns} == {KEPT}
    assert found["machine"]["cpu"][0] == 5


def test_only_what_is_new_is_told(path: Path) -> None:
    recorder = Recorder(path, ("a",), {})
    for value in (1, 2, 3):
        recorder.add({"cpu": value}, {}, {})
        time.sleep(0.02)
    at = read_history(path)["at"]
    assert read_history(path, at[1])["machine"]["cpu"] == [3]
    assert read_history(path, at[2])["at"] == []


@pytest.mark.parametrize("text", [None, "", "{", "{}", json.dumps({"at": []}), json.dumps({"at": [1.0]})])
def test_what_is_missing_damaged_or_old_is_nothing(path: Path, text: str | None) -> None:
    if text is not None:
        path.write_text(text)
    assert read_history(path) == {}
