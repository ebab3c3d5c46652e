"""A key file that changes is read again while 8002 runs."""

import asyncio
import logging
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse

from server.http import current_keys
from server.http.access import Access
from server.http.current_keys import CurrentKeys
from server.keys import STACK_KEY_VARIABLE, TRITON_KEY_VARIABLE
from server.settings import Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("old-key\n")
    return path


def current(file: Path | None, *, tell: bool = True, **settings: str) -> CurrentKeys:
    return CurrentKeys(Settings(api_key_file=file, **settings), tell=tell)


def test_keys_of_the_file_come_and_go_and_those_of_the_environment_stay(file: Path) -> None:
    keys = current(file, api_key="listed")
    assert keys() == ("listed", "old-key")
    file.write_text("new-key\nlisted\n")
    assert keys() == ("listed", "old-key")
    keys.look()
    assert keys() == ("listed", "new-key")


@pytest.mark.parametrize("damage", ["removed", "empty", "no text", "no key"])
def test_a_file_that_cannot_be_used_closes_and_opens_nothing_and_is_named_once(
    file: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys = current(file)
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "no text": b"\xff", "no key": b"two words\n"}[damage])
    for _ in range(3):
        keys.look()
    assert keys() == ("old-key",)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "the keys stay as they were" in caplog.text
    file.write_text("new-key\n")
    keys.look()
    assert keys() == ("new-key",)


def test_a_change_is_logged_once_without_a_key_and_by_one_worker(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "bakeoff.http")
    first, second = current(file), current(file, tell=False)
    file.write_text("old-key\nnew-key\n")
    for keys in (first, second, first, second):
        keys.look()
    assert [record.getMessage() for record in caplog.records] == [f"the keys of {file} were read again: 2 are known"]


def test_a_new_first_key_is_said_not_to_have_reached_triton(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Triton goes on with the first key of the start, until the stack is started again"
    monkeypatch.setenv(TRITON_KEY_VARIABLE, "old-key")
    without = current(file, backends="pytorch")
    keys = current(file)
    file.write_text("new-key\nold-key\n")
    without.look()
    assert said not in caplog.text
    keys.look()
    assert said in caplog.text


def test_the_stacks_own_programs_are_let_in_whatever_becomes_of_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STACK_KEY_VARIABLE, "own-key")
    keys = current(file)
    file.write_text("new-key\n")
    keys.look()
    assert keys() == ("new-key", "own-key")


def test_without_a_file_nothing_is_read() -> None:
    keys = current(None, api_key="one,two")
    keys.look()
    assert keys() == ("one", "two")


async def test_a_client_goes_by_the_keys_of_the_moment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_keys, "LOOK_EVERY_S", 0.01)
    keys = current(file)
    watching = asyncio.create_task(keys.watch())
    door = httpx.ASGITransport(Access(PlainTextResponse("in"), keys, ()))
    async with httpx.AsyncClient(transport=door, base_url="http://test") as client:

        async def status(key: str) -> int:
            return (await client.get("/ready", headers={"Authorization": f"Bearer {key}"})).status_code

        assert [await status(key) for key in ("old-key", "new-key")] == [200, 401]
        file.write_text("new-key\n")
        async with asyncio.timeout(10):
            while await status("new-key") != 200:
                await asyncio.sleep(0.01)
        assert await status("old-key") == 401
    watching.cancel()
