"""Port 8002 goes from one program to the next and back under load: real parents and workers, doubles of what computes."""

import contextlib
import http.client
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from bench.server.requests import body_of_pixels
from server.http.listener import Holder, holder
from tests.doubles.triton import triton_thread
from tests.unit.pytorch.served_family import ROOT, SOON_S, family, pixels, wait

BODY = body_of_pixels([pixels(7)])


class Load:
    """Clients that ask without a pause, half of them on connections that they keep, and count the answers."""

    def __init__(self, port: int) -> None:
        self.seen: Counter[str] = Counter()
        self._port = port
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(kept,)) for kept in (True, False) * 4]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, kept: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._done.is_set():
            try:
                connection.request("POST", BODY.path, BODY.data, BODY.headers)
                answer = connection.getresponse()
                answer.read()
                self.seen[f"{answer.status}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.seen[repr(error)] += 1
                connection.close()
            if not kept:
                connection.close()
            time.sleep(0.005)
        connection.close()


def wait_for(home: Path, found: Holder) -> None:
    deadline = time.monotonic() + SOON_S
    while holder(home) != found:
        assert time.monotonic() < deadline, holder(home)
        time.sleep(0.05)


def end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    assert process.wait(30) == 0


@pytest.mark.timeout(240)
def test_the_port_goes_there_and_back_and_no_request_is_lost(tmp_path: Path) -> None:
    log = tmp_path / "second.log"
    with triton_thread() as triton, family(tmp_path, DOUBLE_LOADS_S="1") as first, contextlib.ExitStack() as started:
        home = tmp_path / "home"
        environment = {
            **os.environ, "BAKEOFF_HOME": str(home), "PYTORCH_HTTP_PORT": str(first.port), "HTTP_WORKERS": "2",
            "ONNX_HTTP_PORT": str(triton.port), "BACKENDS": "pytorch,onnx", "DEVICE": "cpu", "DECODE_WORKERS": "2",
            "DOUBLE_LOADS_S": "2",
        }  # fmt: skip

        def start(module: str) -> "subprocess.Popen[bytes]":
            output = started.enter_context(log.open("ab"))
            process = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment, stderr=output)
            started.callback(process.kill)
            return process

        wait(lambda: holder(home) and first.loaded())
        with Load(first.port) as load:
            gateway = start("server.gateway")
            wait_for(home, Holder("gateway", accepts=True))
            end(first.process)
            by_gateway = len(triton.requests)
            pytorch = start("tests.doubles.family")
            wait_for(home, Holder("pytorch", accepts=False))
            wait_for(home, Holder("pytorch", accepts=True))
            assert len(triton.requests) > by_gateway + 50  # while the other one loaded
            end(gateway)
            by_gateway, before = len(triton.requests), load.seen["200"]
            wait(lambda: load.seen["200"] > before + 50)
        assert set(load.seen) == {"200"}
        assert len(triton.requests) == by_gateway
        end(pytorch)
    assert "port 8002 is taken over from gateway" in log.read_text()


def test_whoever_is_alone_refuses_what_comes_while_it_drains(tmp_path: Path) -> None:
    """The one that had the port before has gone, so nobody would answer what is not answered here."""
    with family(tmp_path) as first:
        wait(lambda: holder(tmp_path / "home") and first.loaded())
        client = first.client()
        assert first.right(1, client)
        first.process.terminate()
        wait(lambda: first.embed(1, client).status_code == 503)
        assert first.process.wait(30) == 0
    assert holder(tmp_path / "home") is None
