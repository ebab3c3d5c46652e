"""Port 8002 as processes of its own: a real parent and real HTTP workers, with doubles of the engines or of all."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil

from bench.server.requests import body_of_pixels, embeddings
from server.model.artifacts import Artifact, ModelArtifacts

ROOT = Path(__file__).resolve().parents[3]
WORKER, ENGINE, IDLE, DECODER = (
    "server.pytorch.worker",
    "tests.doubles.engine",
    "tests.doubles.idle_member",
    "server.isolation",
)
SOON_S = 60.0
"""Many times what it takes, for machines that do other things as well."""


def pixels(value: int, count: int = 1) -> bytes:
    return np.full((count, 3, 224, 224), value, np.uint8).tobytes()


def wait(condition: Callable[[], object], within_s: float = SOON_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@dataclass
class Served:
    """A family of processes behind a port."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    fails: Path
    clients: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def members(self, module: str) -> list[psutil.Process]:
        """Return the children that run `module`, in the order of their rows."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):
                words = " ".join(child.cmdline())
                if f"-m {module} " in words:
                    found[int(re.findall(r"--row=(\d+)", words)[0])] = child
        return [found[row] for row in sorted(found)]

    def client(self, **options: object) -> httpx.Client:
        """Return a client that opens one connection when it is first used, and keeps it."""
        return self.clients.enter_context(httpx.Client(base_url=self.url, timeout=30, **options))  # type: ignore[arg-type]

    def embed(self, value: int, client: httpx.Client | None = None) -> httpx.Response:
        body = body_of_pixels([pixels(value)])
        post = client.post if client else httpx.post
        url = body.path if client else f"{self.url}{body.path}"
        return post(url, content=body.data, headers=body.headers, timeout=30)

    def right(self, value: int, client: httpx.Client | None = None) -> bool:
        """Tell whether an image is embedded, and as itself."""
        answer = self.embed(value, client)
        if answer.status_code == 503:
            assert answer.headers["Retry-After"]
            return False
        assert answer.status_code == 200, answer.text
        found = embeddings(answer.content, int(answer.headers["Inference-Header-Content-Length"]))
        assert found.tolist() == [[value] * 512]
        return True

    def loaded(self) -> bool:
        return httpx.get(f"{self.url}/v2/health/ready").status_code == 200

    def metric(self, name: str) -> float:
        (found,) = re.findall(rf"^{re.escape(name)} (\S+)$", httpx.get(f"{self.url}/metrics").text, re.M)
        return float(found)

    def inferences(self) -> int:
        stats = httpx.get(f"{self.url}/v2/models/openclip_vit_b32/stats").json()
        return int(stats["model_stats"][0]["inference_count"])

    def place(self, client: httpx.Client) -> int:
        """Return which worker has the connection of `client`, by its process id."""
        (connection,) = client._transport._pool.connections  # type: ignore[attr-defined]
        address = connection._connection._network_stream.get_extra_info("client_addr")
        for worker in self.members(WORKER):
            if any(one.raddr and one.raddr.port == address[1] for one in worker.net_connections("tcp")):
                return worker.pid
        raise AssertionError(f"no worker has the connection from {address}")


@contextlib.contextmanager
def family(folder: Path, words: tuple[str, ...] = (), **settings: str) -> Iterator[Served]:
    """Start one, and end it as supervisord would."""
    home = folder / "home"
    home.mkdir()
    nothing = Artifact(path="nothing", size=0, sha256="0")
    model = ModelArtifacts(
        pretrained="random", source="random", note=None, recipe={}, quick_gelu=False, weights=nothing, onnx={},
        reference=nothing,
    )  # fmt: skip
    (home / "model.json").write_text(model.model_dump_json())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ, "BAKEOFF_HOME": str(home), "PYTORCH_HTTP_PORT": str(port), "BACKENDS": "pytorch", "DEVICE": "cpu",
        "HTTP_WORKERS": "2", "DECODE_WORKERS": "2", "HANG_TIMEOUT_S": "3", "DOUBLE_FAILS": str(folder / "fails"), **settings,
    }  # fmt: skip
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.doubles.family", *words], cwd=ROOT, env=environment, stderr=output
        )
    served = Served(process, port, log, folder / "fails")
    try:
        yield served
    finally:
        served.clients.close()
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children():
                child.resume()
        process.terminate()
        process.wait(30)
