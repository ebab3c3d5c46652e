"""`POST /keep`: a choice is written down, or refused in one sentence with nothing changed."""

import copy
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from filelock import FileLock

from server import kept
from server.console.app import create_app
from server.http.front_status import CLIENT
from server.settings import Settings
from server.state import KEPT, KEPT_LOCK
from tests.browser.recorded_states import WHY_SKIPPED, invented_failure, invented_skip, put, recorded


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(bakeoff_home=tmp_path)
    settings.home.state.mkdir()
    put(tmp_path, invented_skip())
    with TestClient(create_app(settings, "cpu"), headers={CLIENT: "192.0.2.7"}) as made:
        yield made


def test_who_chose_is_written_down_as_far_as_it_is_known(client: TestClient, tmp_path: Path) -> None:
    answer = client.post("/keep", json={"keep": "onnx"})
    assert answer.status_code == 202
    found = kept.read(tmp_path)
    assert found is not None
    assert (found.backends, found.by, found.result) == (("onnx",), "somebody@192.0.2.7", None)
    assert kept.Kept.model_validate(answer.json()) == found
    client.post("/keep", json={"keep": "pytorch", "by": "me@here", "result": "a-run", "sentence": "It wins."})
    found = kept.read(tmp_path)
    assert found is not None
    assert (found.by, found.result, found.sentence) == ("me@here", "a-run", "It wins.")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "body: Invalid JSON"),
        (b"[" * 1000, 422, "body: Invalid JSON"),
        (b"{}", 422, "keep: Field required"),
        (b'{"keep": 1}', 422, "keep: Input should be a valid string"),
        (b'{"keep": "onnx", "other": 1}', 422, "other: Extra inputs are not permitted"),
        (b'{"keep": "nothing"}', 422, "'nothing' is no backend; keep one of pytorch, onnx, tensorrt, winner or all"),
        (b'{"keep": "tensorrt"}', 409, f"tensorrt is skipped: {WHY_SKIPPED}"),
        (b" " * 1_100_000, 413, "the request's JSON is larger than 1 MiB"),
    ],
    ids=["empty", "deep", "nobody", "number", "further", "unknown", "skipped", "long"],
)
def test_a_choice_that_is_none_changes_nothing(
    client: TestClient, tmp_path: Path, body: bytes, status: int, words: str
) -> None:
    answer = client.post("/keep", content=body)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(words)
    assert kept.read(tmp_path) is None


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


def test_two_at_once_are_one_and_a_refusal(client: TestClient, tmp_path: Path) -> None:
    with FileLock(KEPT_LOCK.at(tmp_path)):
        answer = client.post("/keep", json={"keep": "onnx"})
    assert answer.status_code == 409
    assert "another choice is being taken" in answer.json()["error"]
    assert kept.read(tmp_path) is None


def test_a_full_disk_is_said(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept, "write", full)
    answer = client.post("/keep", json={"keep": "onnx"})
    assert answer.status_code == 503
    assert answer.json()["error"].startswith(f"{KEPT.at(tmp_path)} cannot be written (No space left on device)")
