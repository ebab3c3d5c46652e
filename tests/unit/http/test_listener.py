"""Port 8002's listening socket goes to whoever asks, and each program that has it knows whether another one accepts."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.http.listener import Holder, Listener, holder
from server.settings import Settings
from server.sockets import PORT, socket_path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "state").mkdir()
    return Settings(bakeoff_home=tmp_path, pytorch_http_port=port)


@contextlib.asynccontextmanager
async def held(settings: Settings, program: str) -> AsyncIterator[Listener]:
    listener = await asyncio.to_thread(Listener.take, settings, program)
    listener.serve()
    try:
        yield listener
    finally:
        if listener.socket.fileno() >= 0:
            listener.close()


async def asked(settings: Settings) -> Holder | None:
    return await asyncio.to_thread(holder, settings.bakeoff_home)


async def becomes(condition, value: bool) -> None:
    for _ in range(500):
        if condition() == value:
            return
        await asyncio.sleep(0.01)
    raise AssertionError


async def test_two_programs_have_one_queue(settings: Settings) -> None:
    async with held(settings, "old") as old, held(settings, "new") as new:
        assert not old.socket.getblocking()
        assert not new.socket.get_inheritable()
        for one in (old, new):
            with socket.create_connection(("127.0.0.1", settings.pytorch_http_port)) as client:
                await asyncio.sleep(0.01)
                found, address = one.socket.accept()
                found.close()
                assert address == client.getsockname()
        old.close()
        with socket.create_connection(("127.0.0.1", settings.pytorch_http_port)):
            await asyncio.sleep(0.01)
            new.socket.accept()[0].close()


async def test_the_one_that_took_it_last_is_told_and_whether_it_accepts(settings: Settings) -> None:
    assert await asked(settings) is None
    async with held(settings, "old") as old:
        assert await asked(settings) == Holder("old", accepts=False)
        old.accept()
        assert await asked(settings) == Holder("old", accepts=True)
        async with held(settings, "new"):
            assert await asked(settings) == Holder("new", accepts=False)
        assert await asked(settings) is None
    assert await asked(settings) is None


async def test_both_know_while_the_other_accepts(settings: Settings) -> None:
    async with held(settings, "old") as old:
        old.accept()
        assert not old.shared
        async with held(settings, "new") as new:
            assert (old.shared, new.shared) == (False, True)
            new.accept()
            await becomes(lambda: old.shared, True)
            old.close()
            await becomes(lambda: new.shared, False)


async def test_one_that_accepts_later_is_heard_of_too(settings: Settings) -> None:
    async with held(settings, "old") as old, held(settings, "new") as new:
        assert not new.shared
        old.accept()
        old.accept()
        await becomes(lambda: new.shared, True)
        new.close()
        await becomes(lambda: bool(old._peers), False)
        assert not old.shared


async def test_whoever_only_asks_is_forgotten(settings: Settings) -> None:
    async with held(settings, "old") as old:
        for _ in range(3):
            await asked(settings)
        await becomes(lambda: bool(old._peers), False)


async def test_a_socket_of_another_address_is_not_taken(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with (
        held(settings, "old"),
        held(settings.model_copy(update={"pytorch_http_port": port}), "elsewhere") as other,
    ):
        assert other.socket.getsockname()[1] == port


@pytest.mark.parametrize("said", [b"", b"nothing", b'{"program": "x"}\n', b'{"program": "x", "accepts": true}\n'])
def test_what_is_no_socket_is_not_taken(settings: Settings, said: bytes) -> None:
    """The last of them comes without one."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_path(settings.bakeoff_home, PORT)))
        server.listen()

        def answer() -> None:
            channel, _ = server.accept()
            channel.sendall(said)
            channel.close()

        thread = threading.Thread(target=answer)
        thread.start()
        listener = Listener.take(settings, "new")
        thread.join()
    assert listener.socket.getsockname()[1] == settings.pytorch_http_port
    listener.socket.close()


def test_one_that_hangs_gives_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.http.listener.ANSWER_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", settings.pytorch_http_port)), socket.socket(socket.AF_UNIX) as server:
        server.bind(str(socket_path(settings.bakeoff_home, PORT)))
        server.listen()
        with pytest.raises(OSError, match=f"PYTORCH_HTTP_PORT={settings.pytorch_http_port} .* cannot be used"):
            Listener.take(settings, "new")


async def test_without_a_place_for_the_socket_the_port_is_served_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> Path:
        raise OSError("no folder for it")

    monkeypatch.setattr("server.http.listener.socket_path", fails)
    async with held(settings, "old") as old:
        assert old.socket.getsockname()[1] == settings.pytorch_http_port
    assert "port 8002 cannot be handed over to another program: no folder for it" in caplog.text
