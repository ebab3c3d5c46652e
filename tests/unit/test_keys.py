"""Keys: where they come from, what is one, and that a wrong value is not repeated in a message."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keys import KeyProblem, bearer, configured_keys, opens, parse_keys, read_key_file
from server.settings import Settings, SettingsError, load_settings

keys = st.text("abcXYZ019._~+/=-", min_size=1, max_size=20)


@given(st.lists(keys, max_size=4, unique=True))
def test_the_header_that_our_clients_send_opens(found: list[str]) -> None:
    assert parse_keys(", ".join(found)) == tuple(found)
    if found:
        assert opens(bearer(found)["authorization"].encode(), found)


@given(st.binary(max_size=30), st.lists(keys, min_size=1, max_size=3))
def test_nothing_else_opens(header: bytes, found: list[str]) -> None:
    right = {f"{scheme} {key}".encode() for key in found for scheme in ("Bearer", "bearer")}
    assert not opens(header, found) or header.strip() in right


@pytest.mark.parametrize("header", [b"", b"Bearer", b"Bearer ", b"Basic a", b"a", b"Bearer  a b", b"Bearer b"])
def test_a_stranger_is_not_let_in(header: bytes) -> None:
    assert not opens(header, ["a"])


def test_without_keys_nothing_is_sent() -> None:
    assert bearer(()) == {}


def test_environment_and_file_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text("two\n\nthree\none\n")
    monkeypatch.setenv("API_KEY", "one")
    monkeypatch.setenv("API_KEY_FILE", str(file))
    assert load_settings().keys == ("one", "two", "three")
    assert configured_keys() == ("one", "two", "three")


@pytest.mark.parametrize("value", ["with space", 'quote"', "päss", "a,b c"])
def test_what_is_no_key_is_refused_without_being_repeated(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "API_KEY=(hidden)" in str(caught.value)
    assert value not in str(caught.value)


def test_a_file_that_holds_no_key_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").write_text("\n")
    for name, words in (("empty", "holds no key"), ("missing", "cannot be read")):
        with pytest.raises(KeyProblem, match=words):
            read_key_file(tmp_path / name)
        monkeypatch.setenv("API_KEY_FILE", str(tmp_path / name))
        with pytest.raises(SettingsError, match=words):
            load_settings()


def test_settings_do_not_show_their_keys() -> None:
    assert "secret" not in repr(Settings(api_key="secret"))
