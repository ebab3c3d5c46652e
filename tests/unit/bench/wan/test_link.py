import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import grpc
import psutil
import pytest

from bench.wan import Link, Unavailable, link

ROOT = Path(__file__).parents[4]


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    echo = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=echo.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{echo.server_port}"
    echo.shutdown()
    echo.server_close()


@pytest.fixture(scope="module")
def slow(server: str) -> Iterator[Link]:
    try:
        with link(f"{server}/a/path") as opened:
            yield opened
    except Unavailable as reason:
        pytest.skip(f"no link here: {reason}")


def exchange(connection: http.client.HTTPConnection, data: bytes) -> bytes:
    connection.request("POST", "/", data)
    return connection.getresponse().read()


def test_the_link_is_as_slow_as_it_says(slow: Link) -> None:
    """The scenario's own calibration, with room for a busy machine. 30 Mbit/s on the wire carry 28.7 of payload (1,448 of 1,514 bytes a packet)."""
    measured = slow.calibrate()
    assert 25 <= measured.rtt_ms <= 40
    assert 20 <= measured.uplink_mbit <= 29.5


def test_what_goes_through_is_unchanged_on_many_connections_at_once(slow: Link) -> None:
    assert urlsplit(slow.url).path == "/a/path"

    def talk(seed: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(slow.url).netloc, timeout=30)
        for size in (0, 1, 70_000):
            data = random.Random(seed).randbytes(size)
            assert exchange(connection, data) == data
        connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(talk, range(16)))


def test_grpc_goes_through_too(slow: Link) -> None:
    class Methods(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(lambda request, _: request[::-1])

    with ThreadPoolExecutor(2) as pool:
        service = grpc.server(pool, handlers=[Methods()])
        port = service.add_insecure_port("127.0.0.1:0")
        service.start()
        try:
            with link(f"127.0.0.1:{port}") as opened, grpc.insecure_channel(opened.url) as channel:
                data = random.Random(1).randbytes(200_000)
                assert channel.unary_unary("/echo/Reverse")(data, timeout=30) == data[::-1]
        finally:
            service.stop(None).wait()


def test_a_dead_server_is_an_error_not_a_slow_answer(slow: Link) -> None:
    with link("http://127.0.0.1:1") as opened:
        connection = http.client.HTTPConnection(urlsplit(opened.url).netloc, timeout=30)
        connection.connect()  # to the link, which is there
        with pytest.raises((http.client.HTTPException, OSError)):
            exchange(connection, b"data")
        connection.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_however_the_benchmark_ends(slow: Link, how: signal.Signals) -> None:
    program = (
        "from bench.wan import link\nwith link('http://127.0.0.1:1') as one:\n print(one.url, flush=True)\n input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as benchmark:
        assert benchmark.stdout
        port = urlsplit(benchmark.stdout.readline().strip()).port
        (process,) = psutil.Process(benchmark.pid).children()
        # as Ctrl-C does it: the link's own process is told as well
        os.killpg(benchmark.pid, how) if how == signal.SIGINT else benchmark.send_signal(how)
        benchmark.wait(20)
    deadline = time.monotonic() + 20
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection("127.0.0.1", port, timeout=5).connect()


def run_without(*prefix: str, path: str | None = None) -> str:
    environment = {**os.environ, **({} if path is None else {"PATH": path})}
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "bench.wan", "25", "30", "127.0.0.1:1"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return str(json.loads(done.stdout)["unavailable"])


def test_without_permission_the_reason_says_what_is_needed() -> None:
    if os.getuid() or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to give up being root's equal")
    assert "it needs root" in run_without("setpriv", "--bounding-set=-sys_admin")


def test_without_the_tools_the_reason_says_what_to_install(slow: Link, tmp_path: Path) -> None:
    assert run_without(path=str(tmp_path)) == "`ip` is missing; install iproute2"
    ip = shutil.which("ip")
    assert ip is not None
    (tmp_path / "ip").symlink_to(ip)
    assert run_without(path=str(tmp_path)) == "`tc` is missing; install iproute2"


def test_https_has_no_such_link() -> None:
    with pytest.raises(Unavailable, match="certificate"), link("https://gpu.example:443"):
        pass
