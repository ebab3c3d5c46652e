"""Keys: where they come from, what is one, and that a wrong value is not repeated in a message."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keys import (
    STACK_KEY_VARIABLE,
    TRITON_KEY_VARIABLE,
    KeyProblem,
    bearer,
    configured_keys,
    configured_triton_key,
    opens,
    parse_keys,
    read_key_file,
    stack_header,
    triton_header,
)
from server.settings import Settings, SettingsError, load_settings
from tests.strangers import strangers

KEYS = ("first-key", "Second_key", "3")

keys = st.text("abcXYZ019._~+/=-", min_size=1, max_size=20)


@given(st.lists(keys, max_size=4, unique=True))
def test_the_header_that_our_clients_send_opens(found: list[str]) -> None:
    assert parse_keys(", ".join(found)) == tuple(found)
    if found:
        assert opens(bearer(found)["authorization"].encode(), found)


def test_our_clients_send_the_first_key_which_is_the_one_that_triton_knows() -> None:
    assert bearer(KEYS) == {"authorization": f"Bearer {KEYS[0]}"}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_each_key_opens_whatever_the_case_of_its_scheme(scheme: str, key: str) -> None:
    assert opens(f"{scheme} {key}".encode(), KEYS)


@pytest.mark.parametrize("headers", strangers(KEYS).values(), ids=strangers(KEYS))
@pytest.mark.parametrize("others", [(), KEYS[1:]], ids=["one key", "several"])
def test_a_stranger_is_not_let_in(headers: dict[str, str], others: tuple[str, ...]) -> None:
    assert not opens(headers.get("Authorization", "").encode(), (KEYS[0], *others))


def test_a_key_that_was_taken_away_opens_no_more() -> None:
    assert not opens(f"Bearer {KEYS[1]}".encode(), KEYS[:1])
    assert not opens(f"Bearer {KEYS[0]}".encode(), ())


@given(st.lists(keys, min_size=1, max_size=3), st.data())
def test_nothing_but_a_key_opens(found: list[str], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(found))
    start = data.draw(st.integers(0, len(key)))
    end = data.draw(st.integers(start, len(key)))
    token = key[:start] + data.draw(st.sampled_from(["", "a", key[start:end]])) + key[end:]
    for near in {token, key[:start], key[start:], key[start:end]} - set(found):
        assert not opens(f"Bearer {near}".encode(), found)


@given(st.binary(max_size=30))
def test_no_bytes_are_an_error(header: bytes) -> None:
    assert not opens(header, KEYS)


def test_without_keys_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STACK_KEY_VARIABLE, "own")
    assert bearer(()) == {}
    assert stack_header(()) == triton_header(()) == {}
    assert configured_triton_key(()) is None


def test_a_stacks_programs_open_8002_by_its_own_key_and_triton_by_the_first_of_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both are for as long as the stack runs; the file of keys may change meanwhile."""
    monkeypatch.setenv(STACK_KEY_VARIABLE, "own")
    monkeypatch.setenv(TRITON_KEY_VARIABLE, "of-the-start")
    assert stack_header(KEYS) == bearer(["own"])
    assert triton_header(KEYS) == bearer(["of-the-start"])


def test_outside_of_a_stack_both_are_the_first() -> None:
    assert stack_header(KEYS) == triton_header(KEYS) == bearer(KEYS)


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
