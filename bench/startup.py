"""Start-up: seconds until a stack is ready, cold and warm, and where they go.

Cold is a stack that has its model's files and nothing else: it compiles what there is to compile. Warm is the same stack
started once more. In both the operating system may have the files in its cache, as after any download.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from pydantic import BaseModel, ConfigDict

from bench.errors import BenchError
from bench.proxies import get
from server.keys import bearer, configured_keys

ENTRYPOINT = Path(__file__).resolve().parents[1] / "entrypoint.sh"
MODEL_FILES = ("weights", "onnx", "model.json")
PORTS = {
    "PYTORCH_HTTP_PORT": 8002,
    "ONNX_HTTP_PORT": 8010,
    "ONNX_GRPC_PORT": 8011,
    "ONNX_METRICS_PORT": 8012,
    "TENSORRT_HTTP_PORT": 8020,
    "TENSORRT_GRPC_PORT": 8021,
    "TENSORRT_METRICS_PORT": 8022,
}
HOST = "127.0.0.1"
POLL_S = 0.1
STOP_S = 20.0
LOG_LINES = 15


class BackendStartup(BaseModel):
    """One backend's way to its state.

    Attributes:
        state, reason: where it ended, `ready` or `skipped` and why.
        elapsed_s: from its start to that state.
        stages_s: seconds by state on the way (`starting`, `loading`, `compiling`, `warming`, `verifying`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: str
    reason: str | None
    elapsed_s: float | None
    stages_s: dict[str, float]

    @property
    def compile_s(self) -> float:
        """Seconds of compiling; 0 where there was nothing to compile."""
        return self.stages_s.get("compiling", 0.0)


class Startup(BaseModel):
    """One start of a stack.

    Attributes:
        ready_s: from the start of its entrypoint, checks included, until `/ready` said 200; None of a stack that was
            running already.
        backends: by name, in the stack's order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ready_s: float | None
    backends: dict[str, BackendStartup]


class ColdAndWarm(BaseModel):
    """Two starts of one stack, the second with what the first has compiled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cold: Startup
    warm: Startup


def parse_startup(document: Mapping[str, Any], ready_s: float | None = None) -> Startup:
    """Read the figures of a stack's last start from its `/ready` document.

    Raises:
        KeyError, TypeError, AttributeError: it is no such document.
    """
    return Startup(
        ready_s=ready_s,
        backends={
            name: BackendStartup(
                state=entry["state"],
                reason=entry.get("reason"),
                elapsed_s=entry.get("elapsed_s"),
                stages_s={
                    stage: s for stage, s in (entry.get("timings_s") or {}).items() if isinstance(s, int | float)
                },
            )
            for name, entry in document["backends"].items()
        },
    )


def cold_and_warm(
    home: Path, *, shift: int = 10_000, settings: Mapping[str, str] | None = None, timeout_s: float = 1500.0
) -> ColdAndWarm:
    """Start a second stack on this machine, cold and then warm, and stop it again each time.

    A stack that runs already should be idle; there must be memory for two, on the GPU as well.

    Args:
        home: BAKEOFF_HOME of the stack whose model is started; only its model's files are used, through links.
        shift: added to the usual ports, 8002 becomes 18002.
        settings: of the second stack, over those of this process's environment.
        timeout_s: until it must be ready, each time; compiling a TensorRT engine takes minutes.

    Raises:
        BenchError: no model in `home`, or the second stack does not become ready; with its log's last lines.
    """
    if missing := [name for name in MODEL_FILES if not (home / name).exists()]:
        raise BenchError(
            f"no model in {home}: {', '.join(missing)} missing; start the stack there once, or `bakeoff export`"
        )
    with tempfile.TemporaryDirectory(prefix="bakeoff-startup-") as folder:
        second = Path(folder) / "home"
        second.mkdir()
        for name in MODEL_FILES:
            (second / name).symlink_to(home.absolute() / name)
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            **(settings or {}),
            "BAKEOFF_HOME": str(second),
            "HOST": HOST,
            **{name: str(port + shift) for name, port in PORTS.items()},
        }
        url = f"http://{HOST}:{PORTS['PYTORCH_HTTP_PORT'] + shift}/ready"
        starts = [_start(environment, url, Path(folder) / "log", timeout_s) for _ in range(2)]
    return ColdAndWarm(cold=starts[0], warm=starts[1])


def _start(environment: dict[str, str], url: str, log: Path, timeout_s: float) -> Startup:
    begun = time.monotonic()
    with _stack(environment, log) as process:
        while True:
            document = _ready(url)
            elapsed = time.monotonic() - begun
            if document is not None:
                return parse_startup(document, elapsed)
            if process.poll() is not None or elapsed > timeout_s:
                what = f"is not ready after {elapsed:.0f} s" if process.returncode is None else "has ended"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
                raise BenchError(f"the second stack, started to time its start, {what}; its log ends with:\n{tail}")
            time.sleep(POLL_S)


def _ready(url: str) -> dict[str, Any] | None:
    try:
        answer = get(url, bearer(configured_keys()), 5.0)
        document: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError):
        return None
    return document if answer.status_code == 200 else None


@contextmanager
def _stack(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    log.unlink(missing_ok=True)
    with _sigterm_as_exit(), log.open("ab") as output:
        process = subprocess.Popen(
            [ENTRYPOINT],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C ends the benchmark, which ends this
        )
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(family, timeout=1.0)
    for survivor in alive:
        survivor.kill()
    psutil.wait_procs(alive, timeout=STOP_S)


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Have SIGTERM unwind the stack, so that what was started is stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
