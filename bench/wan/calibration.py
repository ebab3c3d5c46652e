"""What a link really is: its round trip and its upload rate, measured over the link itself."""

import socket
import threading
import time

from pydantic import BaseModel, ConfigDict

PINGS = 40
UPLOAD_S = 1.5
SETTLE_S = 0.3
"""Of an upload, before its rate counts: buffers fill up."""

TIMEOUT_S = 20.0


class Calibration(BaseModel):
    """A link as measured.

    Attributes:
        rtt_ms: shortest round trip of one byte on an open connection.
        uplink_mbit: million bits of payload a second, as they arrived, over 1.2 s. A link's nominal rate includes the
            packets' headers, so 30 Mbit/s carry 28.7.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rtt_ms: float
    uplink_mbit: float


class Responder:
    """Answers on 127.0.0.1, in threads: the byte `p` with itself, anything else as an upload, with its rate at the end."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="wan calibration", daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        first, counted = 0.0, 0
        with connection:
            connection.settimeout(TIMEOUT_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            last = first
            while data := connection.recv(65_536):
                if data == b"p":
                    connection.sendall(data)
                    continue
                last = time.perf_counter()
                if not first:
                    first = last
                elif not counted and last - first >= SETTLE_S:
                    first, counted = last, 1
                elif counted:
                    counted += len(data)
            if last > first:
                connection.sendall(f"{counted * 8 / (last - first)}".encode())


def calibrate(port: int) -> Calibration:
    """Measure the way to a `Responder` through the local port of a link.

    Raises:
        OSError: the link does not carry it.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        round_trips = []
        for _ in range(PINGS):
            sent = time.perf_counter()
            connection.sendall(b"p")
            if not connection.recv(1):
                raise ConnectionError("the link closed the connection")
            round_trips.append(time.perf_counter() - sent)
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        block, deadline = bytes(65_536), time.perf_counter() + UPLOAD_S
        while time.perf_counter() < deadline:
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(100), b""))
    return Calibration(rtt_ms=min(round_trips) * 1e3, uplink_mbit=float(answer) / 1e6)
