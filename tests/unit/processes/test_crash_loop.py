"""An accident is not a crash loop; five ends in a row without use are."""

import pytest

from server.processes.crash_loop import LONGEST_PAUSE_S, MAX_IN_A_ROW, CrashLoop, back_off, write_pause
from server.settings import Settings
from server.state import PAUSE


def test_a_program_that_was_of_use_is_started_at_once_for_ever() -> None:
    loop = CrashLoop()
    for _ in range(100):
        assert not loop.ended(was_useful=True)
        assert loop.pause_s == 0


def test_one_that_never_is_waits_longer_and_longer_and_is_given_up() -> None:
    loop = CrashLoop()
    verdicts, pauses = [], []
    for _ in range(MAX_IN_A_ROW):
        verdicts.append(loop.ended(was_useful=False))
        pauses.append(loop.pause_s)
    assert verdicts == [False] * (MAX_IN_A_ROW - 1) + [True]
    assert pauses == [0, 1, 2, 4, 8]


def test_the_longest_pause_is_bounded() -> None:
    assert CrashLoop(in_a_row=50).pause_s == LONGEST_PAUSE_S


def test_the_next_start_waits_as_long_as_it_was_told(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(bakeoff_home=tmp_path)
    settings.home.state.mkdir()
    waited: list[float] = []
    monkeypatch.setattr("server.processes.crash_loop.time.sleep", waited.append)
    back_off(settings, "pytorch")
    write_pause(settings, "pytorch", 4.0)
    back_off(settings, "pytorch")
    write_pause(settings, "pytorch", 0.0)
    assert not PAUSE.at(tmp_path, "pytorch").exists()
    back_off(settings, "pytorch")
    assert waited == [4.0]


def test_a_folder_that_cannot_be_written_only_costs_the_pause(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(bakeoff_home=tmp_path / "missing")
    waited: list[float] = []
    monkeypatch.setattr("server.processes.crash_loop.time.sleep", waited.append)
    write_pause(settings, "pytorch", 4.0)
    write_pause(settings, "pytorch", 0.0)
    back_off(settings, "pytorch")
    assert waited == []


@pytest.mark.parametrize(("written", "waits"), [("1e9", [LONGEST_PAUSE_S]), ("soon", []), ("", [])])
def test_no_file_makes_a_start_wait_for_long(
    tmp_path, monkeypatch: pytest.MonkeyPatch, written: str, waits: list[float]
) -> None:
    settings = Settings(bakeoff_home=tmp_path)
    settings.home.state.mkdir()
    PAUSE.at(tmp_path, "pytorch").write_text(written)
    waited: list[float] = []
    monkeypatch.setattr("server.processes.crash_loop.time.sleep", waited.append)
    back_off(settings, "pytorch")
    assert waited == waits
