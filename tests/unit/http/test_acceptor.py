"""Connections to workers in processes of their own: evenly spread, limited together, and never one too many for their descriptors."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[3]
WORKERS = 8
LENGTH = re.compile(rb"(?i)content-length: (\d+)")
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Port:
    """A running port and what its workers have logged."""

    number: int
    pids: list[int]
    log: Path
    open: contextlib.ExitStack

    def connect(self, count: int) -> list[socket.socket]:
        return [
            self.open.enter_context(socket.create_connection(("127.0.0.1", self.number), timeout=20))
            for _ in range(count)
        ]


def ask(client: socket.socket) -> tuple[int, str]:
    """Send a request and return status and body; what has been answered before it was sent is read as well."""
    with contextlib.suppress(OSError):
        client.sendall(REQUEST)
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < int(LENGTH.findall(data)[0]):
        part = client.recv(65536)
        assert part, data
        data += part
    return int(data.split()[1]), data.partition(b"\r\n\r\n")[2].decode()


Start = Callable[..., Port]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:

        def run(prefix: tuple[str, ...] = (), **options: int) -> Port:
            words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
            log = tmp_path / "log"
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "tests.doubles.port_workers", *words],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=stack.enter_context(log.open("wb")), text=True,
            )  # fmt: skip
            assert process.stdout is not None
            stack.callback(process.wait, 20)
            stack.callback(process.stdout.close)
            stack.callback(process.terminate)
            said = json.loads(process.stdout.readline())
            return Port(urlsplit(said["url"]).port or 0, said["pids"], log, stack.enter_context(contextlib.ExitStack()))

        yield run


@pytest.mark.parametrize("connections", [16, 600])
def test_every_worker_gets_its_share(start: Start, connections: int) -> None:
    port = start(workers=WORKERS)
    found = Counter(ask(client) for client in port.connect(connections))
    assert {status for status, _ in found} == {200}
    assert {int(pid) for _, pid in found} == set(port.pids)
    assert max(found.values()) - min(found.values()) <= 1, found


def test_what_is_closed_makes_room_where_it_was(start: Start) -> None:
    port = start(workers=4)
    first = port.connect(40)
    place = {client: ask(client)[1] for client in first}
    emptied = place[first[0]]
    for client in first:
        if place[client] == emptied:
            client.close()
    time.sleep(0.3)
    assert Counter(ask(client)[1] for client in port.connect(10)) == {emptied: 10}


def test_all_workers_have_one_limit(start: Start) -> None:
    port = start(workers=4, most=100)
    found = [ask(client) for client in port.connect(130)]
    refused = [body for status, body in found if status == 503]
    assert len(refused) == 30
    assert all("100 connections are open already (MAX_CONNECTIONS)" in body for body in refused)
    port.open.close()
    time.sleep(0.5)
    assert [ask(client)[0] for client in port.connect(90)] == [200] * 90


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_worker_that_hangs_or_has_died_gets_none(start: Start, number: signal.Signals) -> None:
    port = start(workers=2)
    os.kill(port.pids[0], number)
    time.sleep(1.5)
    assert Counter(ask(client) for client in port.connect(20)) == {(200, str(port.pids[1])): 20}


def test_a_login_with_few_descriptors_serves_as_many_as_the_hard_limit_lets(start: Start) -> None:
    port = start(("prlimit", "--nofile=100:4096"))
    idle = port.connect(1100)
    assert ask(port.connect(1)[0])[0] == 200
    assert ask(idle[0])[0] == ask(idle[-1])[0] == 200
    assert port.log.read_text() == ""


def test_without_descriptors_the_rest_is_refused_in_words_and_what_is_served_stays_served(start: Start) -> None:
    port = start(("prlimit", "--nofile=292:292"))
    clients = port.connect(600)
    assert [ask(client)[0] for client in clients[:100]] == [200] * 100
    for client in clients[100:]:
        status, body = ask(client)
        assert status == 503
        assert "100 connections are open already" in body
        client.close()
    assert [ask(client)[0] for client in clients[:100]] == [200] * 100
    assert port.log.read_text() == ""


def test_a_worker_that_gets_no_descriptor_says_so_once_and_goes_on(start: Start) -> None:
    port = start(most=1000)
    clients = port.connect(10)
    assert [ask(client)[0] for client in clients] == [200] * 10
    held = len(list(Path(f"/proc/{port.pids[0]}/fd").iterdir()))
    subprocess.run(["prlimit", f"--pid={port.pids[0]}", f"--nofile={held}:4096"], check=True)
    waiting = port.connect(20)
    time.sleep(1)
    assert port.log.read_text().count("no connection can be taken on port 8002: Too many open files") == 1
    subprocess.run(["prlimit", f"--pid={port.pids[0]}", "--nofile=4096:4096"], check=True)
    assert [ask(client)[0] for client in waiting] == [200] * 20
    assert len(port.log.read_text().splitlines()) == 1


async def test_whoever_connects_while_all_workers_close_the_port_is_answered_or_refused(start: Start) -> None:
    port = start(workers=4)
    found: Counter[int] = Counter()

    async def visit(after_s: float) -> None:
        await asyncio.sleep(after_s)
        with contextlib.suppress(ConnectionRefusedError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
            await asyncio.sleep(0.2)  # so that many are connected and have not asked when the port is closed
            writer.write(REQUEST)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            found[int(head.split()[1])] += 1
            writer.close()

    visits = [asyncio.ensure_future(visit(index / 400)) for index in range(400)]
    for pid in port.pids:
        os.kill(pid, signal.SIGTERM)
    await asyncio.gather(*visits)
    assert set(found) <= {200, 503}
    assert found[503] > 20
