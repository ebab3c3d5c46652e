"""The link as the benchmark uses it: another URL for the same server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from bench.wan.calibration import Calibration, Responder, calibrate

ROOT = Path(__file__).resolve().parents[2]
STOP_S = 5.0


class Unavailable(Exception):
    """There can be no such link here; the message is the reason."""


@dataclass(frozen=True)
class Link:
    """An open link.

    Attributes:
        url: stands for the server's own URL, with the same scheme and path.
        rtt_ms, uplink_mbit: as asked for.
    """

    url: str
    rtt_ms: float
    uplink_mbit: float
    _calibration_port: int

    def calibrate(self) -> Calibration:
        """Measure this very link, for about 3 s; nothing else should use it meanwhile.

        Raises:
            OSError: it does not carry the measurement.
        """
        return calibrate(self._calibration_port)


@contextmanager
def link(url: str, *, rtt_ms: float = 25.0, uplink_mbit: float = 30.0) -> Iterator[Link]:
    """Put a slow link before the server at `url` for as long as the context lasts.

    Everything it is made of belongs to one process of ours, which ends with the context, and when this process ends in
    whatever way.

    Args:
        url: `http://HOST:PORT`, with a path or without, or for gRPC `HOST:PORT`.
        rtt_ms: round trip that the link adds.
        uplink_mbit: million bits a second towards the server, on the wire.

    Raises:
        Unavailable: not permitted, a tool or the kernel's part is missing, or an `https://` URL, whose certificate would
            not fit the link's address.
    """
    host, port = _address(url)
    responder = Responder()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "bench.wan",
            str(rtt_ms),
            str(uplink_mbit),
            f"{host}:{port}",
            f"127.0.0.1:{responder.port}",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))},
    )
    try:
        ours, calibration = _ports(process)
        yield Link(_with_address(url, f"127.0.0.1:{ours}"), rtt_ms, uplink_mbit, calibration)
    finally:
        responder.close()
        _end(process)


def _ports(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Unavailable(f"the link's process ended with status {process.wait(STOP_S)}")
    told = json.loads(line)
    if reason := told.get("unavailable"):
        raise Unavailable(reason)
    ports: list[int] = told["ports"]
    return ports


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        process.stdout.close()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url if "//" in url else f"//{url}")
    if parts.scheme == "https":
        raise Unavailable("the link stands before http:// only: a certificate would not fit its address")
    if parts.hostname is None or (parts.port is None and parts.scheme != "http"):
        raise Unavailable(f"{url} names no host and port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return host, parts.port or 80


def _with_address(url: str, address: str) -> str:
    return urlunsplit(urlsplit(url)._replace(netloc=address)) if "//" in url else address
