"""A server's processes on this machine, found by the port that it listens on."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import psutil

from bench.errors import BenchError


class ServerProcesses:
    """All of them: the one that listens, what it has started, and what it was started by as part of the same program.

    That is its process group, as supervisord and shells make one for every program, without the processes that this
    one descends from.
    """

    def __init__(self, url: str) -> None:
        """Find them.

        Raises:
            BenchError: nothing of this user listens on the port of `url` on this machine.
        """
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        try:
            listening = [
                connection.pid
                for connection in psutil.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid
            ]
            self._root = _root(psutil.Process(min(listening))) if listening else None
        except (psutil.Error, OSError):  # not permitted, or gone in between
            self._root = None
        if self._root is None:
            raise BenchError(f"no process of yours listens on port {port} here; start the server first: bakeoff up")

    @property
    def alive(self) -> bool:
        """Whether the program's first process still runs; a restarted program has another."""
        return self._root is not None and self._root.is_running() and self._root.status() != psutil.STATUS_ZOMBIE

    def runs(self, module: str) -> bool:
        """Tell whether the program is `python -m module`."""
        for process in self.all:
            with suppress(psutil.Error):
                if module in process.cmdline():
                    return True
        return False

    @property
    def all(self) -> list[psutil.Process]:
        """The processes there are now; empty when the program has ended."""
        try:
            return [self._root, *self._root.children(recursive=True)] if self._root else []
        except psutil.Error:
            return []

    def cpu_s(self) -> float:
        """CPU seconds spent so far, those of children that have ended included."""
        total = 0.0
        for process in self.all:
            with suppress(psutil.Error):
                total += sum(process.cpu_times()[:4])  # own user and system, and those of children waited for
        return total

    def resident_bytes(self) -> int:
        """Memory in RAM; what several processes share counts once, roughly, through each one's share (PSS).

        Raises:
            psutil.AccessDenied: it may not be looked at.
        """
        total = 0
        for process in self.all:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total

    def gpu_bytes(self, by_process: Mapping[int, int]) -> int | None:
        """GPU memory by the driver's account, or None where it names none of the processes.

        Args:
            by_process: bytes by process id, from `bench.telemetry.nvml`.
        """
        own = [by_process[process.pid] for process in self.all if process.pid in by_process]
        return sum(own) if own else None


def runs_here(url: str) -> bool:
    """Tell whether the host of `url` is this machine (or, seen from here, this network namespace)."""
    host = urlsplit(url).hostname or ""
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return False
    own = {entry.address.partition("%")[0] for entries in psutil.net_if_addrs().values() for entry in entries}
    return any(address.startswith("127.") or address in own | {"::1", "0.0.0.0", "::"} for address in addresses)


def _root(process: psutil.Process) -> psutil.Process:
    ours = {process.pid for process in psutil.Process().parents()} | {os.getpid()}
    group = os.getpgid(process.pid)
    while (parent := process.parent()) and parent.pid not in ours and os.getpgid(parent.pid) == group:
        process = parent
    return process
