"""Containers of the image under test, run by podman as users run them with docker."""

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import psutil
from tritonclient import http

IMAGE = "localhost/clip-bakeoff-test"
PORTS = (8002, 8010, 8011, 8012, 8020, 8021, 8022)
READY_TIMEOUT_S = 400
ROW_TOLERANCE = 1e-4
"""Between the elements of one embedding and its FP32 reference, on a CPU."""

# Without them runc refuses to start as root where the limits of this machine's own shell are lower.
LIMITS = ("--ulimit", "nofile=16000:16000", "--ulimit", "nproc=20000:20000")


def unavailable() -> str | None:
    """Return why containers cannot be run here, or None."""
    if os.getuid() != 0:
        return "needs root: debootstrap and podman's storage"
    missing = [name for name in ("podman", "runc", "debootstrap") if shutil.which(name) is None]
    return f"apt-get install {' '.join(missing)}" if missing else None


def podman(*arguments: str, timeout: float = 120, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run podman; what it says about systemd, which no test machine has, is left in `stderr`."""
    command = ["podman", "--runtime", "runc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=check)


def run_once(
    *arguments: str, options: tuple[str, ...] = (), timeout: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a container of its own, through the image's entrypoint, and wait for its end."""
    return podman(
        "run", "--rm", "--network", "none", *LIMITS, *options, IMAGE, *arguments, timeout=timeout, check=False
    )


@dataclass
class Health:
    """One look at a container: `probe` is what the health check said then, `status` what the engine makes of it."""

    probe: bool
    status: str
    ready: int | None


@dataclass
class Container:
    """A started container; its ports are published on this machine, moved up by `shift`.

    Attributes:
        start: what was seen from its start until it was healthy, where somebody looked.
    """

    name: str
    shift: int
    start: list[Health] = field(default_factory=list)

    @classmethod
    def run(cls, name: str, shift: int, *options: str) -> "Container":
        podman("rm", "--force", "--volumes", name, check=False)
        published = [each for port in PORTS for each in ("--publish", f"127.0.0.1:{port + shift}:{port}")]
        podman("run", "--detach", "--name", name, *published, *LIMITS, *options, IMAGE)
        return cls(name, shift)

    def url(self, port: int) -> str:
        return f"127.0.0.1:{port + self.shift}"

    def inspect(self) -> dict[str, Any]:
        return json.loads(podman("inspect", self.name).stdout)[0]

    def log(self) -> str:
        answer = podman("logs", self.name, check=False)
        return answer.stdout + answer.stderr

    def ready(self) -> int | None:
        """Return the status of `/ready`, or None while nothing answers."""
        try:
            return httpx.get(f"http://{self.url(8002)}/ready", timeout=5).status_code
        except httpx.HTTPError:
            return None

    def sample(self) -> Health:
        """Have the health check run, as the engine does by itself elsewhere (it needs systemd's timers here)."""
        probe = podman("healthcheck", "run", self.name, check=False).returncode == 0
        return Health(probe, self.inspect()["State"]["Health"]["Status"], self.ready())

    def wait(self, status: int, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until `/ready` answers `status`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.inspect()["State"]["Running"]:
            if self.ready() == status:
                return
            time.sleep(0.2)
        raise AssertionError(f"/ready did not answer {status}; the log says:\n{self.log()[-6000:]}")

    def exit_code(self, timeout_s: float = 300) -> int:
        """Wait for the container's end and return its exit status."""
        return int(podman("wait", self.name, timeout=timeout_s).stdout)

    def processes(self) -> list[psutil.Process]:
        """Return its processes, as this machine sees them."""
        main = psutil.Process(int(self.inspect()["State"]["Pid"]))
        return [main, *main.children(recursive=True)]

    def program(self, words: str) -> psutil.Process:
        for process in self.processes():
            if words in " ".join(process.cmdline()):
                return process
        raise AssertionError(f"no process with {words!r}")

    def kill(self, words: str) -> int:
        """SIGKILL the first process whose command line holds `words`; return its process id."""
        victim = self.program(words)
        victim.send_signal(signal.SIGKILL)
        return victim.pid

    def embed(self, files: list[bytes], port: int = 8010) -> npt.NDArray[np.float32]:
        """Embed image files through one of its backends, as any client does."""
        tensor = http.InferInput("encoded_image", [len(files), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[file] for file in files], dtype=np.object_))
        client = http.InferenceServerClient(self.url(port), network_timeout=120)
        try:
            return client.infer("openclip_vit_b32_encoded", [tensor]).as_numpy("embedding")
        finally:
            client.close()

    def remove(self) -> None:
        podman("rm", "--force", "--volumes", "--time", "0", self.name, check=False)
