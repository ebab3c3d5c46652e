"""The builder as a child process: what kills it, hangs it or fills the GPU's memory leaves its parent unharmed."""

import hashlib
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from server.files import sha256
from server.setting_types import Precision
from server.tensorrt.builder.errors import OUT_OF_MEMORY_STATUS
from server.tensorrt.builder.progress import Report

PROGRAM = Path(__file__).with_name("builder")

WORKSPACE_SHARES = (0.5, 0.125)
"""Of the free GPU memory, for the first attempt and for the one after running out of it: other backends load meanwhile."""

DESCRIBE_TIMEOUT_S = 120.0
POLL_S = 0.2
STOP_GRACE_S = 1.5
LOG_LINES = 6
"""How much of the builder's log goes into the reason of a failure."""

log = logging.getLogger("bakeoff.tensorrt")


class BuildFailed(RuntimeError):
    """No engine could be built; the message ends with the last lines of the builder's log."""


class BuildCancelled(RuntimeError):
    """The build was stopped on request."""


@dataclass(frozen=True)
class Platform:
    """What an engine built on this machine depends on; `gpu` and `compute_capability` are None without a usable GPU.

    Attributes:
        module: the Python module of TensorRT.
        version: its version.
        cuda_problem: why there is no usable GPU, or None.
    """

    module: str
    version: str
    gpu: str | None
    compute_capability: str | None
    cuda_problem: str | None


@dataclass(frozen=True)
class BuildRequest:
    """What to build, from which file, and where to put it and its log."""

    onnx: Path
    output: Path
    log: Path
    timing_cache: Path
    precision: Precision
    max_batch: int
    level: int


def source_sha256() -> str:
    """Return one checksum of all that the builder is made of."""
    parts = sorted(PROGRAM.glob("*.py"))
    return hashlib.sha256("".join(map(sha256, parts)).encode()).hexdigest()


def describe() -> Platform:
    """Ask TensorRT and CUDA, in a process of their own.

    Raises:
        BuildFailed: TensorRT cannot be imported, or crashes.
    """
    try:
        answer = subprocess.run(
            [sys.executable, PROGRAM, "--describe"],
            capture_output=True,
            text=True,
            timeout=DESCRIBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"TensorRT did not load within {DESCRIBE_TIMEOUT_S:.0f} s") from None
    if answer.returncode != 0:
        raise BuildFailed(f"TensorRT cannot be used: {_status(answer.returncode)}: {_tail(answer.stderr)}")
    return Platform(**json.loads(answer.stdout.splitlines()[-1]))  # libraries may have their say before


def build(request: BuildRequest, *, timeout_s: float, report: Report, stopping: threading.Event) -> dict[str, Any]:
    """Build an engine; after running out of GPU memory once more, with a smaller workspace.

    Returns:
        The engine's description as the builder gives it.

    Raises:
        BuildFailed: it could not be built, or not within `timeout_s`.
        BuildCancelled: `stopping` was set.
    """
    request.log.write_bytes(b"")
    deadline = time.monotonic() + timeout_s
    for share in WORKSPACE_SHARES:
        attempt = _Attempt(request, share, report)
        status = attempt.run(deadline, stopping)
        if status == 0 and attempt.engine is not None:
            return attempt.engine
        if status != OUT_OF_MEMORY_STATUS:
            break
        log.warning("TensorRT ran out of GPU memory with %.0f %% of it as workspace", 100 * share)
    lines = _tail(request.log.read_text(encoding="utf-8", errors="replace"))
    raise BuildFailed(f"TensorRT built no engine: {_status(status)}; the end of {request.log}: {lines}")


class _Attempt:
    """One run of the builder."""

    def __init__(self, request: BuildRequest, workspace_share: float, report: Report) -> None:
        self.engine: dict[str, Any] | None = None
        self._request = request
        self._report = report
        self._command = [
            sys.executable,
            str(PROGRAM),
            str(request.onnx),
            f"--output={request.output}",
            f"--timing-cache={request.timing_cache}",
            f"--precision={request.precision}",
            f"--max-batch={request.max_batch}",
            f"--level={request.level}",
            f"--workspace-share={workspace_share}",
            "--with-parent",
        ]

    def run(self, deadline: float, stopping: threading.Event) -> int:
        with self._request.log.open("ab") as errors:
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert process.stdin is not None
        assert process.stdout is not None
        listener = threading.Thread(target=self._listen, args=(process.stdout,), daemon=True)
        listener.start()
        try:
            while process.poll() is None:
                if stopping.wait(POLL_S):
                    raise BuildCancelled("the TensorRT build was stopped")
                if time.monotonic() > deadline:
                    raise BuildFailed(
                        "TensorRT built no engine in time; give it more (COMPILE_TIMEOUT_S), or set "
                        f"TENSORRT_OPTIMIZATION_LEVEL lower; the end of {self._request.log}: {_tail(self._request.log.read_text(errors='replace'))}"
                    )
        finally:
            _stop(process)
            listener.join()
            process.stdin.close()
            process.stdout.close()
        return process.returncode

    def _listen(self, output: IO[str]) -> None:
        for line in output:
            try:
                message = json.loads(line)
            except ValueError:
                continue  # a library that writes to standard output
            if "engine" in message:
                self.engine = message["engine"]
            else:
                self._report(message["progress"], message["phase"])


def _stop(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _status(code: int) -> str:
    if code == OUT_OF_MEMORY_STATUS:
        return "out of GPU memory; stop what else runs on the GPU, or run fewer backends (BACKENDS)"
    return f"its builder was ended by {signal.Signals(-code).name}" if code < 0 else f"its builder ended with {code}"


def _tail(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines()[-LOG_LINES:] if line.strip()) or "(empty)"
