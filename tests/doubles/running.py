"""Starting doubles as processes, for tests."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunningServer:
    """A sleeping server in a process of its own."""

    url: str
    pid: int

    def delays(self) -> list[dict[str, float]]:
        """Return what it gave each request so far, in the order of the answers.

        `arrived_s`: on this machine's monotonic clock, when the request was fully read; `reading_ms`: from its first
        byte until then (0.1 ms for an image of pixels); `given_ms`: from then until the answer is written, late by 0.1 ms
        at most as a rule; `due_ms`: the same as planned.
        """
        found: list[dict[str, float]] = httpx.get(f"{self.url}/delays").raise_for_status().json()
        return found

    def forget(self) -> None:
        """Begin the list of delays anew; the service times go on."""
        httpx.post(f"{self.url}/delays/forget").raise_for_status()


@contextmanager
def sleeping_server(**options: Any) -> Iterator[RunningServer]:
    """Run `tests.doubles.sleeping_server` with its options, as in `mean_ms=20, one_at_a_time=True`; a list repeats one."""
    with _running("tests.doubles.sleeping_server", options) as server:
        yield server


@contextmanager
def tls_proxy(**options: Any) -> Iterator[RunningServer]:
    """Run `tests.doubles.tls_proxy` with its options."""
    with _running("tests.doubles.tls_proxy", options) as server:
        yield server


@contextmanager
def prefix_proxy(**options: Any) -> Iterator[RunningServer]:
    """Run `tests.doubles.prefix_proxy` with its options."""
    with _running("tests.doubles.prefix_proxy", options) as server:
        yield server


@contextmanager
def recorded_stack(**options: Any) -> Iterator[RunningServer]:
    """Run `tests.doubles.recorded_stack` with its options."""
    with _running("tests.doubles.recorded_stack", options) as server:
        yield server


@contextmanager
def _running(module: str, options: dict[str, Any]) -> Iterator[RunningServer]:
    words = [sys.executable, "-m", module]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list) else [value]:
            words += [flag] if one is True else [] if one is False else [flag, str(one)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"the double ended with status {process.wait(5)}")
        yield RunningServer(json.loads(line)["url"], process.pid)
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
