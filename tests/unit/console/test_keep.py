"""`POST /keep` takes a choice or refuses it in words, and says what was written down."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from filelock import FileLock

from server import kept
from server.console.app import create_app
from server.console.routes.keep import BY
from server.kept import Kept
from server.settings import Settings
from server.state import KEPT_LOCK
from tests.browser.recorded_states import invented_failure, put, recorded


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(bakeoff_home=tmp_path)
    settings.home.state.mkdir()
    put(tmp_path, recorded("ready"))
    with TestClient(create_app(settings, "cpu")) as made:
        yield made


def test_a_choice_is_written_down_and_told(client: TestClient, tmp_path: Path) -> None:
    answer = client.post("/keep", json={"keep": "onnx"})
    assert answer.status_code == 202
    assert Kept.model_validate(answer.json()) == kept.read(tmp_path)
    assert answer.json()["by"] == BY


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"keep": "fortran"}, 422, "'fortran' is no backend"),
        ({"keep": "winner", "sentence": "x" * 5000}, 422, "sentence"),
        ({"keep": ""}, 422, "keep"),
        ({"keep": "onnx", "force": True}, 422, "force"),
        ({}, 422, "keep"),
        ([], 422, ""),
    ],
)
def test_what_is_no_choice_is_refused_in_words(
    client: TestClient, tmp_path: Path, body: Any, status: int, words: str
) -> None:
    answer = client.post("/keep", json=body)
    assert (answer.status_code, kept.read(tmp_path)) == (status, None)
    assert words in answer.json()["error"]


def test_one_that_has_failed_is_refused(client: TestClient, tmp_path: Path) -> None:
    put(tmp_path, failure := invented_failure())
    name = next(name for name, one in failure["ready"]["backends"].items() if one["state"] == "failed")
    answer = client.post("/keep", json={"keep": name})
    assert (answer.status_code, kept.read(tmp_path)) == (409, None)


def test_one_that_this_machine_cannot_run_is_refused_by_what_the_gate_says(client: TestClient, tmp_path: Path) -> None:
    found = copy.deepcopy(recorded("ready"))
    del found["ready"]["backends"]["tensorrt"]
    found["ready"]["kept"] = {"unavailable": {"tensorrt": "needs a GPU"}, "ending": []}
    put(tmp_path, found)
    answer = client.post("/keep", json={"keep": "tensorrt"})
    assert (answer.status_code, answer.json()) == (409, {"error": "tensorrt cannot run here: needs a GPU"})


def test_two_at_once_are_one(client: TestClient, tmp_path: Path) -> None:
    with FileLock(KEPT_LOCK.at(tmp_path)):
        answer = client.post("/keep", json={"keep": "onnx"})
    assert (answer.status_code, kept.read(tmp_path)) == (409, None)
