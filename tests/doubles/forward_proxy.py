"""A double of a company's proxy: forwards requests and tunnels to the asked port, whatever the host, on this machine."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

HERE = "127.0.0.1"


@dataclass
class ForwardProxy:
    """A running proxy, and what it was asked: the method, and the host and port; and with what name and password."""

    url: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    credentials: set[str | None] = field(default_factory=set)


@contextmanager
def forward_proxy() -> Iterator[ForwardProxy]:
    """Run one in this process."""
    server = ThreadingHTTPServer((HERE, 0), Handler)
    server.daemon_threads = True
    proxy = ForwardProxy(f"http://{HERE}:{server.server_port}")
    server.proxy = proxy  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        self._note(host, port)
        with socket.create_connection((HERE, int(port))) as there:
            self.send_response(200, "Tunnel")
            self.end_headers()
            back = Thread(target=_copy, args=(there, self.connection), daemon=True)
            back.start()
            _copy(self.connection, there)
            back.join()
        self.close_connection = True

    def _forward(self) -> None:
        target = urlsplit(self.path)
        self._note(str(target.hostname), str(target.port))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(HERE, target.port)
        connection.request(self.command, target.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _note(self, host: str, port: str) -> None:
        proxy: ForwardProxy = self.server.proxy  # type: ignore[attr-defined]
        proxy.asked.append((self.command, f"{host}:{port}"))
        proxy.credentials.add(self.headers.get("Proxy-Authorization"))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(2**16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
