"""The quick benchmark at the push of a button: one at a time, in a process of its own that ends with the console."""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from server.files import write_atomic
from server.home import ROOT
from server.settings import Settings
from server.state import BENCHMARK, BENCHMARK_LOCK, BENCHMARK_OUTPUT

REPORT = "report.html"
LONGEST_S = 600.0
"""After which it is stopped; it aims for less than a minute."""

TAIL = 4000
"""Bytes from the end of its output in which the last line is looked for."""

log = logging.getLogger("bakeoff.pytorch")


class AlreadyRunning(RuntimeError):
    """One runs already."""


class QuickBenchmark:
    """What is known of it lies in files, so that a console that takes this one's place knows it, too."""

    def __init__(self, settings: Settings) -> None:
        home = settings.bakeoff_home
        self._results = settings.home.results
        self._state = BENCHMARK.at(home)
        self._output = BENCHMARK_OUTPUT.at(home)
        self._lock = FileLock(BENCHMARK_LOCK.at(home))
        self._waiting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start one.

        Raises:
            AlreadyRunning: one at a time.
            OSError: it cannot be started.
        """
        try:
            if self._lock.is_locked:  # by this process, which would get it once more
                raise Timeout(self._lock.lock_file)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise AlreadyRunning("the benchmark is running already; wait for its report") from None
        try:
            with self._output.open("wb") as output:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "bakeoff", "bench", "--quick", "--results", str(self._results),
                    cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=asyncio.subprocess.STDOUT,
                )  # fmt: skip
            self._write(running=True, pid=process.pid, status=None)
        except BaseException:
            self._lock.release()
            raise
        self._waiting = asyncio.create_task(self._wait(process))
        await asyncio.sleep(0)  # it has begun then, so that it also ends in order

    async def close(self) -> None:
        """Stop one that was started here."""
        if self._waiting:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)

    def state(self) -> dict[str, Any]:
        """Return `running`, `started` (Unix seconds), `line` (the last that it printed) and, at its end, `status`."""
        try:
            state: dict[str, Any] = json.loads(self._state.read_text(encoding="utf-8"))
            if state["running"] and not psutil.pid_exists(state["pid"]) and self._abandoned():
                state.update(running=False, status=1)
            return {**state, "line": self._last_line()}
        except (OSError, ValueError, KeyError):
            return {"running": False, "started": None, "line": None, "status": None}

    def _abandoned(self) -> bool:
        """Tell whether nobody waits for it any more: its console ended before it could say so."""
        lock = FileLock(self._lock.lock_file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        return True

    def _last_line(self) -> str | None:
        with self._output.open("rb") as output:
            output.seek(max(0, self._output.stat().st_size - TAIL))
            lines = output.read().decode("utf-8", "replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), None)

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        status = 1
        try:
            async with asyncio.timeout(LONGEST_S):
                status = await process.wait()
        except TimeoutError:
            log.error("the benchmark did not end within %g s and is stopped", LONGEST_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            self._write(running=False, pid=process.pid, status=status)
            self._lock.release()

    def _write(self, running: bool, pid: int, status: int | None) -> None:
        started = time.time() if running else self.state()["started"]
        write_atomic(self._state, json.dumps({"running": running, "pid": pid, "status": status, "started": started}))


def last_report(settings: Settings) -> Path | None:
    """Return the newest report, whether it was made here or at a console in the checkout."""
    found = [file for folder in (settings.home.results, ROOT / "results") for file in folder.glob(f"*/{REPORT}")]
    return max(found, key=lambda file: file.parent.name, default=None)
