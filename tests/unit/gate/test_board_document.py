"""What the document and the launcher's line tell, and when, by a clock that the test sets."""

import io
from pathlib import Path
from typing import Any

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
    board = Board(tmp_path / "ready.json", {}, list(addresses(Settings()).values())[:2], ("tensorrt",))
    board.enter("pytorch", "failed", "out of memory")
    assert capsys.readouterr().out == ""
    board.enter("onnx", "skipped", "no GPU")
    assert capsys.readouterr().out == (
        "bakeoff: failed: every backend is skipped or has failed, so there is nothing to serve\n"
    )


def test_who_became_ready_again_after_a_failure_is_waited_for(tmp_path: Path) -> None:
    board = Board(tmp_path / "ready.json", {}, list(addresses(Settings()).values()), ("pytorch", "onnx"))
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


def test_the_document_names_each_backend_and_where_it_is(board: Board, tmp_path: Path) -> None:
    board.publish()
    for name, backend in addresses(Settings()).items():
        found = entry(tmp_path, name)
        assert (found["title"], found["url"], found["grpc_url"]) == (backend.title, backend.url, backend.grpc_url)
    assert read_document(tmp_path / "ready.json")["model"] == {"name": "m"}


def test_a_backend_that_is_ready_at_once_is_so_since_then(tmp_path: Path) -> None:
    board = Board(tmp_path / "ready.json", {}, list(addresses(Settings()).values())[:1])
    board.enter("pytorch", "ready")
    assert read_document(tmp_path / "ready.json")["since"].endswith("+00:00"), "in UTC, whatever the machine's zone"


def test_what_is_not_required_may_be_skipped(tmp_path: Path) -> None:
    board = Board(tmp_path / "ready.json", {}, list(addresses(Settings()).values()), ("pytorch", "onnx"))
    for name in ("pytorch", "onnx"):
        board.enter(name, "ready")
    board.enter("tensorrt", "skipped", "no GPU")
    assert ready(tmp_path)


def test_a_launcher_behind_a_pipe_reads_its_line_at_once(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(pipe))
    board.enter("onnx", "failed", "out of memory")
    assert pipe.getvalue() == b"bakeoff: failed: onnx: out of memory\n"


def names(tmp_path: Path) -> list[str]:
    return list(read_document(tmp_path / "ready.json")["backends"])


def test_backends_come_and_go_in_their_fixed_order(board: Board, tmp_path: Path) -> None:
    for name in ("pytorch", "tensorrt"):
        board.remove(name)
    board.remove("pytorch")
    assert names(tmp_path) == ["onnx"]
    for backend in addresses(Settings()).values():
        board.add(backend)
    assert names(tmp_path) == ["pytorch", "onnx", "tensorrt"]


def test_one_that_joins_holds_nobody_up_until_it_was_ready_once(board: Board, tmp_path: Path) -> None:
    for name in ("pytorch", "tensorrt"):
        board.remove(name)
    board.enter("onnx", "ready")
    board.add(addresses(Settings())["pytorch"])
    for state in ("loading", "failed", "starting", "ready"):
        board.enter("pytorch", state)  # type: ignore[arg-type]
        assert ready(tmp_path)
    board.enter("pytorch", "starting")
    assert not ready(tmp_path)


def test_what_joins_serves_nobody_by_itself(board: Board, tmp_path: Path) -> None:
    for name in ("pytorch", "tensorrt"):
        board.remove(name)
    board.enter("onnx", "ready")
    board.add(addresses(Settings())["pytorch"])
    board.enter("onnx", "starting")
    assert not read_document(tmp_path / "ready.json")["ready"]


def test_a_board_that_is_put_there_again_begins_anew(board: Board, tmp_path: Path) -> None:
    board.enter("onnx", "ready")
    board.add(addresses(Settings())["onnx"])
    assert entry(tmp_path, "onnx")["state"] == "ready", "it is there"
    board.remove("onnx")
    board.add(addresses(Settings())["onnx"])
    assert entry(tmp_path, "onnx")["state"] == "starting"


def test_an_empty_board_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Board(tmp_path / "ready.json", {}, []).publish()
    document = read_document(tmp_path / "ready.json")
    assert (document["ready"], document["kept"]) == (False, None)
    assert capsys.readouterr().out == ""


def test_what_is_kept_is_told(board: Board, tmp_path: Path) -> None:
    board.declare({"backends": ["onnx"]})
    assert read_document(tmp_path / "ready.json")["kept"] == {"backends": ["onnx"]}
