"""The whole is ready exactly when every backend is ready or skipped, and at least one is ready."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest

from server.backend_addresses import addresses
from server.gate.board import Board
from server.readiness import State, read_document
from server.settings import Settings


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "ready.json", {"name": "m"}, list(addresses(Settings()).values()))


def ready(tmp_path: Path) -> bool:
    return bool(read_document(tmp_path / "ready.json")["ready"])


@pytest.mark.parametrize("states", [*itertools.product(("ready", "skipped", "failed", "warming"), repeat=3)])
def test_ready_is_all_ready_or_skipped_and_one_ready(board: Board, tmp_path: Path, states: tuple[State, ...]) -> None:
    for name, state in zip(("pytorch", "onnx", "tensorrt"), states, strict=True):
        board.enter(name, state, "why" if state in ("skipped", "failed") else None)
    assert ready(tmp_path) == (set(states) <= {"ready", "skipped"} and "ready" in states)


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_is_published(board: Board, tmp_path: Path, state: State) -> None:
    board.enter("onnx", state)
    assert read_document(tmp_path / "ready.json")["backends"]["onnx"]["state"] == state


def test_every_state_s_time_is_told_and_the_whole_ends_with_ready(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("server.gate.board.time.monotonic", lambda: now)
    for state, seconds in (("starting", 1.5), ("loading", 20), ("warming", 3), ("verifying", 0.25), ("ready", 50)):
        board.enter("onnx", state)  # type: ignore[arg-type]
        now += seconds
    board.publish()
    entry = read_document(tmp_path / "ready.json")["backends"]["onnx"]
    assert entry["timings_s"] == {"starting": 1.5, "loading": 20, "warming": 3, "verifying": 0.25}
    assert (entry["elapsed_s"], entry["state_s"]) == (24.8, 50)


def test_since_is_kept_while_it_is_ready_and_begins_anew(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr("server.gate.board.datetime", SimpleNamespace(now=lambda _: now))

    def since() -> str | None:
        board.publish()
        found: str | None = read_document(tmp_path / "ready.json")["since"]
        return found

    for name in ("pytorch", "onnx", "tensorrt"):
        assert since() is None
        board.enter(name, "ready")
    now += timedelta(seconds=9)
    assert since() == "2026-01-01T00:00:00+00:00"
    board.enter("onnx", "starting")
    assert since() is None
    board.enter("onnx", "ready")
    assert since() == "2026-01-01T00:00:09+00:00"


def test_a_backend_that_is_not_served_has_no_state(board: Board) -> None:
    assert board.state("onnx") == "starting"
    board.remove("onnx")
    assert board.state("onnx") is None


def test_a_restart_begins_its_clock_and_parity_anew(board: Board, tmp_path: Path) -> None:
    board.update("onnx", parity={"pixels": {}})
    board.enter("onnx", "loading")
    board.enter("onnx", "ready")
    entry = read_document(tmp_path / "ready.json")["backends"]["onnx"]
    assert set(entry["timings_s"]) == {"starting", "loading"}
    assert entry["progress"] == 1
    board.enter("onnx", "starting", "it stopped answering")
    entry = read_document(tmp_path / "ready.json")["backends"]["onnx"]
    assert entry["timings_s"] == {}
    assert entry["parity"] is None
    assert entry["reason"] == "it stopped answering"


def test_the_launchers_line_is_printed_when_the_answer_changes(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pytorch", "onnx"):
        board.enter(name, "ready")
    board.enter("tensorrt", "skipped", "no GPU")
    board.publish()
    board.enter("onnx", "starting")
    board.enter("onnx", "failed", "wrong numbers")
    board.publish()
    board.enter("onnx", "ready")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("bakeoff: ")]
    assert lines == ["bakeoff: ready", "bakeoff: failed: onnx: wrong numbers", "bakeoff: ready"]


def test_all_skipped_is_a_failure(board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("pytorch", "onnx", "tensorrt"):
        board.enter(name, "skipped", "no GPU")
    assert not ready(tmp_path)
    assert "bakeoff: failed: every backend is skipped" in capsys.readouterr().out


def test_closing_is_never_ready(board: Board, tmp_path: Path) -> None:
    for name in ("pytorch", "onnx", "tensorrt"):
        board.enter(name, "ready")
    board.publish(closing=True)
    assert not ready(tmp_path)


def test_a_full_disk_does_not_end_the_gate(board: Board, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("server.gate.board.write_document", full)
    board.enter("onnx", "loading")
    assert "No space left on device" in caplog.text


def test_what_is_not_required_may_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(tmp_path / "ready.json", {}, list(addresses(Settings()).values()), ("pytorch", "onnx"))
    board.enter("tensorrt", "failed", "out of memory")
    assert "bakeoff: failed" not in capsys.readouterr().out
    for name in ("pytorch", "onnx"):
        assert not ready(tmp_path)
        board.enter(name, "ready")
    assert ready(tmp_path)
    board.enter("tensorrt", "starting")  # tried again: nobody waits for it
    assert ready(tmp_path)
    document = read_document(tmp_path / "ready.json")
    assert [entry["required"] for entry in document["backends"].values()] == [True, True, False]


def test_what_is_not_required_is_waited_for_until_it_fails(tmp_path: Path) -> None:
    board = Board(tmp_path / "ready.json", {}, list(addresses(Settings()).values()), ("pytorch", "onnx"))
    for name in ("pytorch", "onnx"):
        board.enter(name, "ready")
    board.enter("tensorrt", "compiling")
    assert not ready(tmp_path)
    board.enter("tensorrt", "ready")
    assert ready(tmp_path)
    board.enter("tensorrt", "starting", "it stopped answering")
    assert not ready(tmp_path)


def test_what_is_required_by_name_may_not_be_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(tmp_path / "ready.json", {}, list(addresses(Settings()).values()), ("tensorrt",))
    for name in ("pytorch", "onnx"):
        board.enter(name, "ready")
    board.enter("tensorrt", "skipped", "no GPU")
    assert not ready(tmp_path)
    assert "bakeoff: failed: tensorrt: no GPU" in capsys.readouterr().out


def test_the_phase_is_published_and_ends_with_its_state(board: Board, tmp_path: Path) -> None:
    board.enter("tensorrt", "compiling")
    board.update("tensorrt", progress=0.5, phase="Timing tactics")
    board.publish()
    entry = read_document(tmp_path / "ready.json")["backends"]["tensorrt"]
    assert (entry["progress"], entry["phase"]) == (0.5, "Timing tactics")
    board.enter("tensorrt", "warming")
    assert read_document(tmp_path / "ready.json")["backends"]["tensorrt"]["phase"] is None


def test_the_time_left_is_told_from_progress_and_only_while_something_runs(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("server.gate.board.time.monotonic", lambda: now)

    def remaining() -> float | None:
        board.publish()
        found: float | None = read_document(tmp_path / "ready.json")["backends"]["tensorrt"]["remaining_s"]
        return found

    board.enter("tensorrt", "compiling")
    now = 130.0
    board.update("tensorrt", progress=0.04, phase="timing kernels")
    assert remaining() is None, "too little was done to tell"
    board.update("tensorrt", progress=0.25, phase="timing kernels")
    assert remaining() == 90.0
    board.enter("tensorrt", "ready")
    assert remaining() is None
