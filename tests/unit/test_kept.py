"""What is kept: read from whatever lies in the file, written in one step, and outranked by what was set on purpose."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import kept
from server.kept import Kept, KeptProblem, Served, parse, served
from server.setting_types import BACKEND_NAMES
from server.settings import Settings
from server.state import KEPT

WHEN = datetime(2026, 11, 28, 3, 4, 5, 678901, tzinfo=UTC)
ONNX = Kept(backends=("onnx",), by="ada@lovelace", when=WHEN)

names = st.lists(st.sampled_from(BACKEND_NAMES), min_size=1, max_size=5)
words = st.text(max_size=40)


@given(names=names, by=st.text(min_size=1, max_size=40), when=st.datetimes(timezones=st.just(UTC)), result=words)
def test_what_is_written_is_read(names: list[str], by: str, when: datetime, result: str) -> None:
    made = Kept.model_validate({"backends": names, "by": by, "when": when, "result": result})
    assert parse(made.model_dump_json().encode()) == made
    assert list(made.backends) == [name for name in BACKEND_NAMES if name in names]


@given(data=st.binary(max_size=200))
def test_no_bytes_are_more_than_a_problem(data: bytes) -> None:
    with pytest.raises(KeptProblem):
        parse(data)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(BACKEND_NAMES)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=8)  # fmt: skip


@given(
    document=st.fixed_dictionaries(
        {},
        optional={"backends": values, "by": values, "when": values, "result": values, "sentence": values, "x": values},
    )
)
def test_any_document_is_a_choice_or_a_problem(document: dict[str, object]) -> None:
    with contextlib.suppress(KeptProblem):
        assert parse(json.dumps(document).encode()).backends


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_depth_is_refused_without_a_crash(depth: int) -> None:
    with pytest.raises(KeptProblem):
        parse(b"[" * depth)


def test_no_word_ends_a_line_or_reaches_a_terminal_as_a_control_character() -> None:
    made = Kept(backends=("onnx",), by="eve\n\x1b[2J@host", when=WHEN, sentence="a\u202eb\r\n")
    assert made.by == "eve\\n\\x1b[2J@host"
    assert made.sentence == "a\\u202eb\\r\\n"


def test_it_lies_in_the_volume_and_nothing_else_does(tmp_path: Path) -> None:
    assert kept.read(tmp_path) is None
    kept.write(tmp_path, ONNX)
    kept.write(tmp_path, ONNX)
    assert kept.read(tmp_path) == ONNX
    assert [path.name for path in KEPT.at(tmp_path).parent.iterdir()] == ["kept.json"]


def test_a_damaged_one_is_told_with_the_remedy_and_every_backend_counts(tmp_path: Path) -> None:
    kept.write(tmp_path, ONNX)
    file = KEPT.at(tmp_path)
    file.write_text(file.read_text().replace("onnx", "fortran"))
    settings = Settings(bakeoff_home=tmp_path)
    names, why = kept.served_at_start(settings)
    assert names == BACKEND_NAMES
    assert why is not None
    assert why.startswith(f"what is kept cannot be read from {file} (backends.0: ")
    assert "say it again with `bakeoff keep`" in why


def test_without_a_choice_the_settings_count() -> None:
    assert served(Settings(), None) == Served(BACKEND_NAMES, None)
    assert served(Settings(backends="onnx"), None) == Served(("onnx",), None)


def test_a_choice_counts_where_nothing_was_set() -> None:
    assert served(Settings(), ONNX) == Served(("onnx",), None)


def test_backends_that_are_set_outrank_it_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDS", "pytorch,onnx")
    names, why = served(Settings(), ONNX)
    assert names == ("pytorch", "onnx")
    assert why == "BACKENDS=pytorch,onnx is set and outranks onnx, which was kept by ada@lovelace on 2026-11-28"


@pytest.mark.parametrize("value", ["onnx", ""])
def test_backends_that_say_the_same_or_nothing_say_no_more(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BACKENDS", value)
    assert served(Settings(), ONNX) == Served(("onnx",), None)


def test_required_backends_outrank_it_and_say_so() -> None:
    names, why = served(Settings(required_backends="pytorch,onnx"), ONNX)
    assert names == BACKEND_NAMES
    assert why is not None
    assert why.startswith("REQUIRED_BACKENDS=pytorch,onnx asks for pytorch too and outranks onnx, which was kept by")
    assert served(Settings(required_backends="onnx"), ONNX) == Served(("onnx",), None)


def test_somebody_without_a_name_is_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr(kept.getpass, "getuser", nameless)
    assert kept.who().startswith("somebody@")
