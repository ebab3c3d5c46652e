"""The server's processes on this machine, found by the port that they listen on."""

from contextlib import suppress
from urllib.parse import urlsplit

import psutil
import pynvml

from bench.errors import BenchError


class ServerProcesses:
    """All of them: HTTP workers, engines, and the parent."""

    def __init__(self, url: str) -> None:
        """Find them.

        Raises:
            BenchError: nothing of this user listens on the port of `url` on this machine.
        """
        port = urlsplit(url).port
        listening = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid
        ]
        if not listening:
            raise BenchError(f"no process of yours listens on port {port} here; start the server first: bakeoff up")
        parent = psutil.Process(listening[0])
        while "server.pytorch" in " ".join((parent.parent() or parent).cmdline()) and parent.parent():
            parent = parent.parent()
        self.all = [parent, *parent.children(recursive=True)]

    def cpu_s(self) -> float:
        """CPU seconds spent so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self.all)

    def resident_bytes(self) -> int:
        """Memory in RAM that is theirs alone; what several of them share counts once, roughly, through its share."""
        return sum(process.memory_full_info().pss for process in self.all)

    def gpu_bytes(self) -> int | None:
        """GPU memory by the driver's account, or None without a GPU."""
        own = {process.pid for process in self.all}
        total, found = 0, False
        with suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            for index in range(pynvml.nvmlDeviceGetCount()):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                for entry in pynvml.nvmlDeviceGetComputeRunningProcesses(handle):
                    if entry.pid in own:
                        total, found = total + (entry.usedGpuMemory or 0), True
        return total if found else None
