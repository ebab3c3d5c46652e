"""A real stack for tests: the same entrypoint, supervisord, tritonserver and server, on ports and in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from server.addresses import netloc
from server.hardware import resolve
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PRECISION = resolve(Settings()).precision
"""Of the stack under test: FP16 where there is a GPU."""

ROW_TOLERANCE = {"fp32": 1e-4, "fp16": 5e-3}[PRECISION]
"""Between the elements of one embedding and its FP32 reference."""

READY_TIMEOUT_S = 400
STOP_TIMEOUT_S = 20


@dataclass
class RunningStack:
    """A started stack; `port_base` is added to the tens of the usual ports (8002 becomes 28002, ...)."""

    home: Path
    shift: int
    log: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    codes: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"

    @property
    def ports(self) -> dict[str, int]:
        return {"pytorch": 8002 + self.shift, "onnx": 8010 + self.shift}

    @property
    def grpc(self) -> str:
        return netloc(self.host, 8011 + self.shift)

    def url(self, backend: str = "pytorch") -> str:
        return f"http://{netloc(self.host, self.ports[backend])}"

    def ready(self) -> tuple[int | None, dict[str, Any]]:
        """Return the status of `/ready` (None: connection refused) and its document."""
        try:
            answer = httpx.get(f"{self.url()}/ready", timeout=5, headers=self.headers)
        except httpx.HTTPError:
            return None, {}
        return answer.status_code, answer.json()

    def wait(self, status: int, timeout_s: float = READY_TIMEOUT_S) -> dict[str, Any]:
        """Wait until `/ready` answers `status` and return the document."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found, document = self.ready()
            if found is not None:
                self.codes.append(found)
            if found == status:
                return document
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"/ready did not answer {status}; the log says:\n{self.log.read_text()[-6000:]}")

    def processes(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def program(self, words: str) -> psutil.Process:
        """Return supervisord's own child whose command line holds `words`."""
        for process in psutil.Process(self.process.pid).children():
            if words in command_line(process):
                return process
        raise AssertionError(f"no process with {words!r} among {[command_line(one) for one in self.processes()]}")

    def bakeoff(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "bakeoff", *arguments],
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def restart(self) -> None:
        """Stop with SIGTERM, and start again in the same folder with the same settings."""
        assert self.stop() == 0
        self.launch()

    def launch(self) -> None:
        """Start again, in the same folder with the same settings."""
        self.process = _launch(self.environment, self.log)

    def stop(self) -> int:
        """Stop with SIGTERM and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)


def command_line(process: psutil.Process) -> str:
    """Return a process's command line; empty when it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def same_model(exported: Path, folder: Path) -> Path:
    """Return a BAKEOFF_HOME in `folder` with the model that lies in `exported`."""
    home = folder / "home"
    home.mkdir()
    for name in ("weights", "onnx", "model.json"):
        (home / name).symlink_to(exported / name)
    return home


def start(home: Path, shift: int, **settings: str) -> RunningStack:
    """Start a stack in `home` with every port moved up by `shift`, which warms no more than it must.

    At most 24,000: from 32,768 on Linux gives ports to outgoing connections, and one of those, also one that has ended less than a
    minute ago, would hold the port of a server.
    """
    ports = {
        "PYTORCH_HTTP_PORT": 8002, "ONNX_HTTP_PORT": 8010, "ONNX_GRPC_PORT": 8011, "ONNX_METRICS_PORT": 8012,
        "TENSORRT_HTTP_PORT": 8020, "TENSORRT_GRPC_PORT": 8021, "TENSORRT_METRICS_PORT": 8022,
    }  # fmt: skip
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "BAKEOFF_HOME": str(home),
        "PRETRAINED": "random",
        "WARMUP_MAX_BATCH": "2",
        **{name: str(port + shift) for name, port in ports.items()},
        **settings,
    }
    log = home.parent / f"{home.name}.log"
    log.unlink(missing_ok=True)
    return RunningStack(
        home, shift, log, environment, _launch(environment, log), host=settings.get("HOST", "127.0.0.1")
    )


def _launch(environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [ROOT / "entrypoint.sh"], env=environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
        )
