"""Where programs that do not read the settings find the keys, and the secret of their start."""

from pathlib import Path

import pytest

from server.keys import KeyProblem, admin_secret, configured_keys, opens, parse_keys, read_key_file


@pytest.fixture
def dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the `.env` file that is read."""
    file = tmp_path / ".env"
    monkeypatch.setattr("server.home.ENV_FILE", file)
    for name in ("API_KEY", "API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return file


def test_without_any_there_are_none(dotenv: Path) -> None:
    assert configured_keys() == ()
    dotenv.write_text("HOST=0.0.0.0\n")
    assert configured_keys() == ()


def test_the_env_file_names_keys_and_a_file_of_them(dotenv: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("two\none\n")
    dotenv.write_text(f"API_KEY=one\nAPI_KEY_FILE={tmp_path / 'keys'}\n")
    assert configured_keys() == ("one", "two")


def test_the_environment_comes_before_the_env_file(
    dotenv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text("of-a-file\n")
    (tmp_path / "others").write_text("of-another\n")
    dotenv.write_text(f"API_KEY=in-file\nAPI_KEY_FILE={tmp_path / 'others'}\n")
    monkeypatch.setenv("API_KEY", "in-environment")
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "keys"))
    assert configured_keys() == ("in-environment", "of-a-file")


def test_the_key_file_may_be_in_the_home_folder(dotenv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("API_KEY_FILE", "~/keys")
    (tmp_path / "keys").write_text("one\n")
    assert configured_keys() == ("one",)


def test_the_secret_of_a_start_is_inherited_and_outside_of_one_nobody_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_ADMIN_SECRET", "of this start")
    assert admin_secret() == "of this start"
    monkeypatch.delenv("BAKEOFF_ADMIN_SECRET")
    guesses = {admin_secret() for _ in range(3)}
    assert len(guesses) == 3
    assert {len(guess) for guess in guesses} == {43}, "256 bits"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfe", "cannot be read: not text"),
        (b"\n \n", "holds no key; put one on each line, or unset API_KEY_FILE"),
    ],
)
def test_a_key_file_that_holds_none_says_why(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(KeyProblem) as caught:
        read_key_file(file)
    assert str(caught.value) == f"{file} {words}"


def test_what_a_key_may_have_is_said() -> None:
    with pytest.raises(KeyProblem, match=r"^a key may have letters, digits and \. _ ~ \+ / = - only$"):
        parse_keys("with space")


def test_blanks_around_a_key_that_is_sent_do_not_matter() -> None:
    assert opens(b"Bearer one ", ["one"])
    assert opens(b"bearer  one", ["one"])
