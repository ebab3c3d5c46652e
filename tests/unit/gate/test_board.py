"""The whole is ready exactly when every backend is ready or skipped, and at least one is ready."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from server.backends import backends
from server.gate.board import Board, State
from server.gate.document import read_document
from server.settings import Settings


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "ready.json", {"name": "m"}, list(backends(Settings()).values()))


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
    board = Board(tmp_path / "ready.json", {}, list(backends(Settings()).values()), ("pytorch", "onnx"))
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
    board = Board(tmp_path / "ready.json", {}, list(backends(Settings()).values()), ("pytorch", "onnx"))
    for name in ("pytorch", "onnx"):
        board.enter(name, "ready")
    board.enter("tensorrt", "compiling")
    assert not ready(tmp_path)
    board.enter("tensorrt", "ready")
    assert ready(tmp_path)
    board.enter("tensorrt", "starting", "it stopped answering")
    assert not ready(tmp_path)


def test_what_is_required_by_name_may_not_be_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(tmp_path / "ready.json", {}, list(backends(Settings()).values()), ("tensorrt",))
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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds of the clock, which a test sets."""
    now = [100.0]
    monkeypatch.setattr("server.gate.board.time.monotonic", lambda: now[0])
    return now


def entry(tmp_path: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = read_document(tmp_path / "ready.json")["backends"][name]
    return found


def test_times_of_a_start_add_up_and_stand_still_once_it_has_settled(
    board: Board, clock: list[float], tmp_path: Path
) -> None:
    for name in ("onnx", "tensorrt"):
        board.enter(name, "starting")
    for seconds, state in ((1.5, "loading"), (2.254, "warming"), (4, "loading"), (8, "ready")):
        clock[0] += seconds
        board.enter("onnx", state)  # type: ignore[arg-type]
    assert entry(tmp_path, "onnx")["timings_s"] == {"starting": 1.5, "loading": 10.25, "warming": 4.0}
    assert entry(tmp_path, "onnx")["elapsed_s"] == 15.8
    clock[0] += 5
    board.publish()
    assert entry(tmp_path, "onnx")["elapsed_s"] == 15.8
    assert entry(tmp_path, "onnx")["state_s"] == 5.0
    assert entry(tmp_path, "tensorrt")["elapsed_s"] == entry(tmp_path, "tensorrt")["state_s"] == 20.8
    board.enter("onnx", "starting")
    clock[0] += 3.14
    board.publish()
    assert entry(tmp_path, "onnx")["elapsed_s"] == 3.1


@pytest.mark.parametrize("state", ["ready", "skipped", "failed"])
def test_what_has_settled_takes_no_more_time(board: Board, clock: list[float], tmp_path: Path, state: State) -> None:
    board.enter("onnx", state)
    before = entry(tmp_path, "onnx")["elapsed_s"]
    clock[0] += 60
    board.publish()
    assert entry(tmp_path, "onnx")["elapsed_s"] == before
    assert entry(tmp_path, "onnx")["remaining_s"] is None


def test_the_time_left_is_told_from_a_twentieth_on(board: Board, clock: list[float], tmp_path: Path) -> None:
    board.enter("tensorrt", "compiling")
    clock[0] += 10.12
    board.update("tensorrt", progress=0.05)
    board.publish()
    assert entry(tmp_path, "tensorrt")["remaining_s"] == 192.3
    assert entry(tmp_path, "tensorrt")["progress"] == 0.05
    board.update("tensorrt", progress=2 / 3)
    board.publish()
    assert entry(tmp_path, "tensorrt")["progress"] == 0.667
    board.enter("tensorrt", "loading")
    assert entry(tmp_path, "tensorrt")["progress"] == 0


def test_progress_and_parity_do_not_take_each_other_away(board: Board, tmp_path: Path) -> None:
    board.enter("onnx", "verifying")
    board.update("onnx", progress=0.5, phase="pixels")
    board.update("onnx", parity={"pixels": {"error": 0.001}})
    board.publish()
    found = entry(tmp_path, "onnx")
    assert (found["progress"], found["phase"], found["parity"]) == (0.5, "pixels", {"pixels": {"error": 0.001}})
    board.update("onnx", progress=0.75)
    board.publish()
    assert entry(tmp_path, "onnx")["parity"] == {"pixels": {"error": 0.001}}
    assert board.state("onnx") == "verifying"


def test_since_is_when_all_became_ready(board: Board, tmp_path: Path) -> None:
    def since() -> str | None:
        found: str | None = read_document(tmp_path / "ready.json")["since"]
        return found

    for name in ("pytorch", "onnx"):
        board.enter(name, "ready")
    assert since() is None
    board.enter("tensorrt", "ready")
    first = since()
    assert first is not None
    assert abs(datetime.now(UTC) - datetime.fromisoformat(first)) < timedelta(minutes=5)
    assert "." not in first, "to the second"
    board._since = "2026-01-01T00:00:00+00:00"
    board.publish()
    assert since() == "2026-01-01T00:00:00+00:00"
    board.enter("onnx", "starting")
    assert since() is None
    board.enter("onnx", "ready")
    assert since() not in (None, "2026-01-01T00:00:00+00:00")
    assert read_document(tmp_path / "ready.json")["model"] == {"name": "m"}


def test_a_document_that_cannot_be_written_is_told_once_for_each_reason(
    board: Board, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trouble: list[OSError | None] = [None]

    def write(*_: object) -> None:
        if trouble[0]:
            raise trouble[0]

    def told() -> list[str]:
        board.publish()
        board.publish()
        words = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        caplog.clear()
        return words

    monkeypatch.setattr("server.gate.board.write_document", write)
    full, forbidden = OSError(28, "No space left on device"), OSError(13, "Permission denied")
    words = "the readiness document cannot be written: {}; free some space or fix the folder"
    for error, expected in ((full, [full]), (full, []), (forbidden, [forbidden]), (None, []), (forbidden, [forbidden])):
        trouble[0] = error
        assert told() == [words.format(each) for each in expected]


def test_every_step_is_in_the_log_with_its_reason(board: Board, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "bakeoff.readiness"):
        board.enter("onnx", "loading")
        board.enter("onnx", "failed", "out of memory")
    assert caplog.messages == ["onnx: loading", "onnx: failed: out of memory"]


def test_the_launchers_line_names_every_failure_and_closing_prints_none(
    board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    board.enter("pytorch", "failed", "wrong numbers")
    board.enter("onnx", "failed", "out of memory")
    assert capsys.readouterr().out.splitlines() == [
        "bakeoff: failed: pytorch: wrong numbers",
        "bakeoff: failed: pytorch: wrong numbers; onnx: out of memory",
    ]
    board.publish(closing=True)
    board.publish()
    assert capsys.readouterr().out == ""


def test_the_same_failure_after_another_try_is_told_again(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    for state in ("failed", "starting", "failed"):
        board.enter("onnx", state, "out of memory")  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == ["bakeoff: failed: onnx: out of memory"] * 2


def test_nothing_to_serve_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board = Board(tmp_path / "ready.json", {}, list(backends(Settings()).values())[:2], ("tensorrt",))
    board.enter("pytorch", "failed", "out of memory")
    assert capsys.readouterr().out == ""
    board.enter("onnx", "skipped", "no GPU")
    assert capsys.readouterr().out == (
        "bakeoff: failed: every backend is skipped or has failed, so there is nothing to serve\n"
    )


def test_who_became_ready_again_after_a_failure_is_waited_for(tmp_path: Path) -> None:
    board = Board(tmp_path / "ready.json", {}, list(backends(Settings()).values()), ("pytorch", "onnx"))
    for name in ("pytorch", "onnx"):
        board.enter(name, "ready")
    for state, enough in (
        ("failed", True),
        ("starting", True),
        ("loading", True),
        ("ready", True),
        ("starting", False),
    ):
        board.enter("tensorrt", state)  # type: ignore[arg-type]
        assert ready(tmp_path) == enough
