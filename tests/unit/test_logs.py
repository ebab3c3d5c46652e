"""What stands in the log of what clients send: one line each, and not without end."""

import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import logs

log = logging.getLogger("bakeoff.test")


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> Iterator[logs.LogFormat]:
    yield request.param
    logs.configure("info")


@given(st.text())
def test_a_text_is_one_line_without_control_characters(text: str) -> None:
    line = logs.one_line(text)
    assert not logs.MISLEADING.search(line)
    assert len(f"{line}x".splitlines()) == 1


def test_a_message_is_one_line(form: logs.LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", form)
    log.warning("%s failed", "/a\n12:00:00 INFO forged\x1b[2J\u2028\u202e")
    (line,) = capsys.readouterr().err.splitlines()
    assert not logs.MISLEADING.search(line)
    assert "/a\\n12:00:00" in line


def test_no_line_of_a_traceback_passes_for_one_of_its_own(
    form: logs.LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("info", form)
    try:
        raise ValueError("what\n12:00:00 INFO forged\r\x1b[2J")
    except ValueError:
        log.exception("it failed")
    first, *rest = capsys.readouterr().err.removesuffix("\n").split("\n")
    assert "it failed" in first
    assert not any(logs.MISLEADING.search(line) for line in (first, *rest))
    assert all(line.startswith("    ") for line in rest)


def test_of_lines_of_a_kind_the_number_is_told(
    form: logs.LogFormat, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "ALIKE_WITHIN_S", 0.3)
    logs.configure("info", form)

    def flood(count: int) -> None:
        for number in range(count):
            log.warning("request %d", number)

    flood(1000)
    log.warning("another kind")
    timers = [one for one in logs.threading.enumerate() if isinstance(one, logs.threading.Timer)]
    for timer in timers:
        timer.join(10)
    flood(1)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == logs.ALIKE + 3
    assert "another kind" in said[-3]
    assert f"{1000 - logs.ALIKE} lines like this one were left out" in said[-2]
    assert "request 20" in said[-2]
    assert "request 0" in said[-1]
    assert form == "text" or json.loads(said[-2])["level"] == "WARNING"


def test_a_kind_that_comes_now_and_then_is_never_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(logs.time, "monotonic", lambda: now)
    logs.configure("info")
    for _ in range(10 * logs.ALIKE):
        log.warning("again")
        now += logs.ALIKE_WITHIN_S / logs.ALIKE
    assert len(capsys.readouterr().err.splitlines()) == 10 * logs.ALIKE


def test_debug_lines_all_pass(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug")
    try:
        for _ in range(10 * logs.ALIKE):
            log.debug("asked for")
    finally:
        logs.configure("info")
    assert len(capsys.readouterr().err.splitlines()) == 10 * logs.ALIKE
