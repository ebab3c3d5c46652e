"""One backend is kept and all are had back, on a real stack under load: nothing of who serves on is lost, in both directions."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient import http

from server import kept, shared_memory
from server.kept import Kept
from server.model.reference import Reference
from server.oip.spec import EMBEDDING, IMAGE, PIXEL_MODEL
from server.readiness import read_document
from server.state import READINESS
from tests.stack.conftest import SHIFT
from tests.stack.stack import PRECISION, ROW_TOLERANCE, RunningStack, same_model, start

OWN_SHIFT = SHIFT + 2500
AT_REST_S = 1.0
"""Of load before and after a switch."""

Client = Callable[[threading.Event], Iterator[np.ndarray]]
"""Asks until the event is set, and gives each embedding."""


class Load:
    """Clients that ask one after the other, each over its own connection, and note what was not answered right."""

    def __init__(self, *clients: Client) -> None:
        self.answers = 0
        self.problems: list[str] = []
        self._clients = clients
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(client,)) for client in clients]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        time.sleep(AT_REST_S)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(AT_REST_S)
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _run(self, client: Client) -> None:
        first = None
        answers = client(self._done)
        while True:
            try:
                answer = next(answers)
            except StopIteration:
                return
            except Exception as error:
                self.problems.append(repr(error))
                answers = client(self._done)
                time.sleep(0.1)
                continue
            first = answer if first is None else first
            if np.abs(answer - first).max() > ROW_TOLERANCE:
                self.problems.append("another embedding")
            self.answers += 1


def rest(stack: RunningStack, photo: bytes, *, kept_alive: bool) -> Client:
    """Return a client of port 8002 that sends a photo, over a connection that it keeps or over a new one each time."""
    limits = httpx.Limits(max_keepalive_connections=1 if kept_alive else 0)

    def client(done: threading.Event) -> Iterator[np.ndarray]:
        with httpx.Client(base_url=stack.url(), timeout=60, limits=limits) as connection:
            while not done.is_set():
                yield _embedding(connection.post("/embed", content=photo, headers={"Content-Type": "image/jpeg"}))

    return client


def _embedding(answer: httpx.Response) -> np.ndarray:
    answer.raise_for_status()
    return np.array(answer.json()["embedding"], np.float32)


def both(stack: RunningStack, photo: bytes) -> list[Client]:
    """Return a client of port 8002 of either kind."""
    return [rest(stack, photo, kept_alive=kept_alive) for kept_alive in (True, False)]


def pixels(stack: RunningStack, backend: str, reference: Reference) -> Client:
    """Return a client of a backend's own port that sends pixels."""

    def client(done: threading.Event) -> Iterator[np.ndarray]:
        with http.InferenceServerClient(f"127.0.0.1:{stack.ports[backend]}", network_timeout=60) as connection:
            tensor = http.InferInput(IMAGE, [1, *reference.pixels.shape[1:]], "UINT8")
            tensor.set_data_from_numpy(reference.pixels[:1])
            while not done.is_set():
                answer = connection.infer(PIXEL_MODEL, [tensor]).as_numpy(EMBEDDING)
                assert answer is not None
                yield answer[0]

    return client


@pytest.fixture(scope="module")
def kept_stack(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Start a stack in whose volume an earlier choice lies: pytorch alone."""
    home = same_model(exported, tmp_path_factory.mktemp("keep"))
    made = Kept(backends=("pytorch",), by="ada@lovelace", when=datetime.now(UTC), sentence="It won.")
    kept.write(home, made)
    running = start(home, OWN_SHIFT, PRECISION=PRECISION)
    try:
        running.wait(200)
        yield running
    finally:
        running.stop()


def document(stack: RunningStack) -> dict[str, Any]:
    return read_document(READINESS.at(stack.home))


def keep(stack: RunningStack, *words: str) -> list[str]:
    """Have `bakeoff keep` do it, and return its lines."""
    done = stack.bakeoff("keep", *words)
    assert done.returncode == 0, done.stdout + done.stderr + stack.log.read_text()[-4000:]
    return done.stdout.splitlines()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def running_tritons(stack: RunningStack) -> int:
    return sum(process.name() == "tritonserver" for process in stack.processes())


class Readiness:
    """Looks at the document all the time; `lost` are its moments without readiness: what it said, and every state."""

    def __init__(self, stack: RunningStack) -> None:
        self.lost: list[tuple[str | None, dict[str, str]]] = []
        self._stack = stack
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Readiness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(0.1):
            if not (found := document(self._stack))["ready"]:
                states = {name: f"{one['state']} {one['reason']}" for name, one in found["backends"].items()}
                self.lost.append((found.get("note"), states))


def test_a_start_goes_by_the_choice_in_the_volume(kept_stack: RunningStack) -> None:
    found = document(kept_stack)
    assert list(found["backends"]) == ["pytorch"]
    assert (found["kept"]["by"], found["kept"]["sentence"], found["kept"]["done"]) == ("ada@lovelace", "It won.", True)
    assert "onnx, tensorrt not started, because of `bakeoff keep`" in " ".join(kept_stack.log.read_text().split())
    assert running_tritons(kept_stack) == 0
    assert not listens(kept_stack.ports["onnx"])
    assert "kept: pytorch, by ada@lovelace" in kept_stack.bakeoff("status").stdout


@pytest.mark.skipif(PRECISION == "fp16", reason="here TensorRT may well run")
def test_what_cannot_run_here_is_refused_in_one_sentence_and_changes_nothing(kept_stack: RunningStack) -> None:
    before = kept.read(kept_stack.home)
    done = kept_stack.bakeoff("keep", "tensorrt")
    assert done.returncode == 1
    assert done.stderr.startswith("bakeoff: failed: tensorrt cannot run here: TensorRT needs an NVIDIA GPU")
    assert done.stderr.count("\n") == 1
    answer = httpx.post(f"{kept_stack.url()}/keep", json={"keep": "tensorrt"})
    assert answer.status_code == 409
    assert answer.json()["error"].startswith("tensorrt cannot run here: TensorRT needs an NVIDIA GPU")
    assert kept.read(kept_stack.home) == before


def test_all_are_had_back_beside_the_kept_one(kept_stack: RunningStack, photo: bytes) -> None:
    with Readiness(kept_stack) as readiness, Load(*both(kept_stack, photo)) as load:
        lines = keep(kept_stack, "all", "--url", kept_stack.url())
    assert (load.problems, readiness.lost) == ([], [])
    assert load.answers > 2
    assert "onnx: ready" in lines
    assert document(kept_stack)["backends"]["onnx"]["state"] == "ready"
    assert kept_stack.bakeoff("health").returncode == 0


def test_the_other_one_is_kept_and_8002_changes_hands(
    kept_stack: RunningStack, photo: bytes, reference: Reference
) -> None:
    clients = [pixels(kept_stack, "onnx", reference), *both(kept_stack, photo)]
    with Readiness(kept_stack) as readiness, Load(*clients) as load:
        lines = keep(kept_stack, "onnx")
        answered = load.answers
    assert (load.problems, readiness.lost) == ([], [])
    assert load.answers > answered > 2
    assert kept_stack.ready()[1]["kept"]["backends"] == ["onnx"]
    assert lines[0] == "kept: onnx"
    assert "onnx: ready" in lines
    assert any(line.startswith("pytorch: ended") for line in lines)
    assert list(document(kept_stack)["backends"]) == ["onnx"]
    assert [process for process in kept_stack.processes() if "server.pytorch" in " ".join(process.cmdline())] == []
    assert kept_stack.bakeoff("health").returncode == 0


def test_the_choice_is_turned_round_without_a_gap(kept_stack: RunningStack, photo: bytes) -> None:
    """First the wanted one is ready, then the other one is ended."""
    clients = both(kept_stack, photo)
    with Readiness(kept_stack) as readiness, Load(*clients) as load:
        lines = keep(kept_stack, "pytorch")
        answered = load.answers
    assert (load.problems, readiness.lost) == ([], [])
    assert load.answers > answered > 2
    assert any(line.startswith("onnx: ended") for line in lines)
    assert [process for process in kept_stack.processes() if "server.gateway" in " ".join(process.cmdline())] == []
    assert running_tritons(kept_stack) == 0
    assert not listens(kept_stack.ports["onnx"])
    assert list(shared_memory.FOLDER.glob(f"bakeoff-onnx-{kept_stack.ports['onnx']}-*")) == []
    assert kept_stack.bakeoff("health").returncode == 0


def test_the_gate_goes_on_where_it_died(kept_stack: RunningStack) -> None:
    """And what it ended stays ended, though nobody watches over it meanwhile."""
    gate = kept_stack.program("server.gate")
    gate.kill()
    gate.wait(10)
    kept_stack.wait(503, 30)
    kept_stack.wait(200)
    assert list(document(kept_stack)["backends"]) == ["pytorch"]
    assert document(kept_stack)["kept"]["done"]
    assert running_tritons(kept_stack) == 0


def test_a_choice_comes_over_port_8002_too(kept_stack: RunningStack) -> None:
    answer = httpx.post(f"{kept_stack.url()}/keep", json={"keep": "pytorch"})
    assert (answer.status_code, answer.json()["by"]) == (202, "somebody@127.0.0.1")
    deadline = time.monotonic() + 30
    while (found := kept_stack.ready()[1]["kept"])["when"] != answer.json()["when"] or not found["done"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    lines = keep(kept_stack, "pytorch", "--url", kept_stack.url())
    assert lines == ["kept: pytorch", "pytorch: ready"]
    assert kept_stack.ready()[1]["kept"]["by"] != "somebody@127.0.0.1"
    refused = kept_stack.bakeoff("keep", "nothing", "--url", kept_stack.url())
    assert refused.returncode == 1
    assert "'nothing' is no backend" in refused.stderr
