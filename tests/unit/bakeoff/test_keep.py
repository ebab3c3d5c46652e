"""`bakeoff keep` says what it did: for a stack that does not run, for one that does, and for one elsewhere."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bakeoff import keep as module
from bakeoff.cli import app
from bench.result import FILE
from server import kept
from server.keep import results
from server.keep.choice import Choice, Refused, asked
from server.readiness import write_document
from server.settings import Settings
from server.state import READINESS
from tests.unit.bench.report.synthetic import synthetic_result

RESULT = synthetic_result({"pytorch": 20.0, "onnx": 30.0}, batches=(2,))
MIB = 2**20


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(module, "SILENCE_S", 0.3)
    monkeypatch.setattr(results, "gpus", lambda: ())


def bakeoff(home: Path, *words: str, **settings: str) -> tuple[int, str]:
    environment = {"BAKEOFF_HOME": str(home), "COLUMNS": "400", **settings}
    outcome = CliRunner(env=environment).invoke(app, ["keep", *words])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome.exit_code, outcome.output


def test_without_a_stack_the_choice_is_for_the_next_start(tmp_path: Path) -> None:
    code, text = bakeoff(tmp_path, "onnx")
    assert code == 0
    assert text == f"kept: onnx\nno stack runs in {tmp_path}; the next start goes by it\n"
    found = kept.read(tmp_path)
    assert found is not None
    assert (found.backends, found.by) == (("onnx",), kept.who())


@pytest.mark.parametrize(("word", "why"), [("fortran", "'fortran' is no backend"), ("", "no backend's name"), ("x" * 99, "no backend's name")])  # fmt: skip
def test_a_refusal_is_one_line_and_changes_nothing(tmp_path: Path, word: str, why: str) -> None:
    code, text = bakeoff(tmp_path, word)
    assert (code, kept.read(tmp_path)) == (1, None)
    assert text.startswith("bakeoff: failed: ")
    assert why in text
    assert text.count("\n") == 1


class GateDouble:
    """Writes the readiness document as a gate would that sees a choice, changed as the test wants it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.document: dict[str, Any] = {
            "ready": True,
            "model": RESULT.model,
            "kept": None,
            "backends": {name: {"state": "ready", "reason": None} for name in ("pytorch", "onnx")},
        }
        self.sees: Callable[[dict[str, Any]], None] = lambda document: None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "GateDouble":
        self.write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def write(self) -> None:
        write_document(READINESS.at(self.home), self.document)

    def _run(self) -> None:
        while not self._done.wait(0.02):
            if made := kept.read(self.home):
                self.document["kept"] = {
                    **made.model_dump(mode="json"), "outranked": None, "waits_for": None, "ending": [], "ended": {}, "done": True,
                }  # fmt: skip
                self.sees(self.document)
            self.write()


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GateDouble]:
    monkeypatch.setattr(module.stack, "running", lambda _: object())
    with GateDouble(tmp_path) as double:
        yield double


def ended(document: dict[str, Any]) -> None:
    document["kept"]["ended"] = {"pytorch": {"gpu_memory_freed": 1880 * MIB}}
    document["backends"].pop("pytorch", None)


def test_what_was_ended_and_freed_is_told_and_the_state(tmp_path: Path, gate: GateDouble) -> None:
    gate.sees = ended
    assert bakeoff(tmp_path, "onnx") == (
        0, "kept: onnx\npytorch: ended, 1,880 MiB of GPU memory are free\nonnx: ready\n"
    )  # fmt: skip


def test_without_a_gpu_no_memory_is_told(tmp_path: Path, gate: GateDouble) -> None:
    def on_cpu(document: dict[str, Any]) -> None:
        document["kept"]["ended"] = {"pytorch": {"gpu_memory_freed": None}}

    gate.sees = on_cpu
    assert "pytorch: ended\n" in bakeoff(tmp_path, "onnx")[1]


def test_it_waits_until_what_is_kept_is_ready(tmp_path: Path, gate: GateDouble) -> None:
    looks = iter(range(100))

    def loading(document: dict[str, Any]) -> None:
        if next(looks) < 3:
            document["backends"]["onnx"]["state"] = "loading"
            document["kept"].update(done=False, waits_for="onnx to be ready, before pytorch is ended")
        else:
            document["backends"]["onnx"]["state"] = "ready"
            ended(document)

    gate.sees = loading
    code, text = bakeoff(tmp_path, "onnx")
    assert code == 0
    assert text.splitlines()[1:3] == [
        "waiting for onnx to be ready, before pytorch is ended", "pytorch: ended, 1,880 MiB of GPU memory are free"
    ]  # fmt: skip


def test_all_is_done_when_every_backend_has_settled(tmp_path: Path, gate: GateDouble) -> None:
    gate.document["backends"]["tensorrt"] = {"state": "skipped", "reason": "needs a GPU"}
    code, text = bakeoff(tmp_path, "all")
    assert code == 0
    assert text.splitlines() == ["kept: pytorch, onnx, tensorrt", "pytorch: ready", "onnx: ready", "tensorrt: skipped: needs a GPU"]  # fmt: skip


def test_one_that_fails_is_told_and_the_others_go_on(tmp_path: Path, gate: GateDouble) -> None:
    def failing(document: dict[str, Any]) -> None:
        document["backends"]["onnx"].update(state="failed", reason="out of memory")
        document["kept"].update(done=False, waits_for="onnx to be ready, before pytorch is ended")

    gate.sees = failing
    code, text = bakeoff(tmp_path, "onnx")
    assert code == 1
    assert text.endswith(
        "bakeoff: failed: onnx is failed: out of memory; the others go on, and are ended once it is ready\n"
    )


def test_what_is_outranked_is_said(tmp_path: Path, gate: GateDouble) -> None:
    gate.sees = lambda document: document["kept"].update(outranked="BACKENDS=pytorch,onnx is set and outranks onnx")
    assert bakeoff(tmp_path, "onnx") == (
        0, "kept: onnx\nBACKENDS=pytorch,onnx is set and outranks onnx; it counts at a start without that\n"
    )  # fmt: skip


def test_a_gate_that_says_nothing_is_not_waited_for_without_end(tmp_path: Path, gate: GateDouble) -> None:
    gate.sees = lambda document: document.update(kept=None)
    code, text = bakeoff(tmp_path, "onnx")
    assert code == 1
    assert (
        "the gate does not say that it has seen the choice; the choice is written, and counts at the next start" in text
    )


@contextmanager
def elsewhere(answers: Callable[[str, str, bytes, str | None], tuple[int, Any]]) -> Iterator[str]:
    """Serve another machine's port 8002, and give its URL."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, document = answers(self.command, self.path, body, self.headers["Authorization"])
            data = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.01))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Elsewhere:
    """A stack that has a key, with a home of its own, and a GPU."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(bakeoff_home=home)
        self.gpus = [{"name": gpu} for gpu in RESULT.server_gpus]
        self.bodies: list[Any] = []

    def __call__(self, method: str, path: str, body: bytes, key: str | None) -> tuple[int, Any]:
        if key != "Bearer right":
            return 401, {"error": "no key"}
        if path == "/ready":
            return 200, json.loads(READINESS.at(self.settings.bakeoff_home).read_bytes())
        if path == "/gpu-info":
            return 200, {"gpus": self.gpus}
        assert (method, path) == ("POST", "/keep")
        self.bodies.append(json.loads(body))
        try:
            return 202, asked(self.settings, Choice.model_validate_json(body), "somebody").model_dump(mode="json")
        except Refused as problem:
            return problem.status, {"error": str(problem)}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Elsewhere, str, GateDouble]]:
    home = tmp_path / "there"
    stack = Elsewhere(home)
    with GateDouble(home) as gate, elsewhere(stack) as url:
        gate.sees = ended
        yield stack, url, gate


There = tuple[Elsewhere, str, GateDouble]


def test_a_stack_elsewhere_is_asked_and_followed(tmp_path: Path, there: There) -> None:
    stack, url, _ = there
    code, text = bakeoff(tmp_path, "onnx", "--url", url, "--api-key", "right")
    assert (code, text) == (0, "kept: onnx\npytorch: ended, 1,880 MiB of GPU memory are free\nonnx: ready\n")
    assert stack.bodies == [{"keep": "onnx", "by": kept.who(), "result": None, "sentence": None}]
    assert kept.read(tmp_path) is None, "nothing is written here"


def test_a_result_that_lies_here_decides_there(tmp_path: Path, there: There) -> None:
    stack, url, _ = there
    folder = tmp_path / "2026-11-28T00-00-00Z"
    folder.mkdir()
    summary = RESULT.summary.model_copy(update={"winner": "onnx", "decision": "Highest throughput: onnx."})
    (folder / FILE).write_text(RESULT.model_copy(update={"summary": summary}).model_dump_json())
    words = ("winner", "--result", str(folder), "--url", f"{url}/ready", "--api-key", "right")
    code, text = bakeoff(tmp_path, *words)
    assert code == 0
    assert text.startswith("kept: onnx by 2026-11-28T00-00-00Z: Highest throughput: onnx.\n")
    assert stack.bodies[0] | {"by": ""} == {
        "keep": "onnx", "by": "", "result": "2026-11-28T00-00-00Z", "sentence": "Highest throughput: onnx.",
    }  # fmt: skip
    stack.gpus = [{"name": "NVIDIA T4"}]
    code, text = bakeoff(tmp_path, *words)
    assert code == 1
    assert "was measured on" in text
    assert "and the stack runs on NVIDIA T4" in text
    assert len(stack.bodies) == 1


@pytest.mark.parametrize("key", [[], ["--api-key", "wrong"]])
def test_without_the_right_to_it_nothing_is_changed(tmp_path: Path, there: There, key: list[str]) -> None:
    stack, url, _ = there
    code, text = bakeoff(tmp_path, "onnx", "--url", url, *key)
    assert code == 1
    assert text == f"bakeoff: failed: {url}/keep answered 401; give its key with --api-key or API_KEY\n"
    assert kept.read(stack.settings.bakeoff_home) is None


def test_what_is_refused_there_is_told_here(tmp_path: Path, there: There) -> None:
    _, url, gate = there
    gate.document["backends"]["onnx"].update(state="failed", reason="out of memory")
    gate.write()
    code, text = bakeoff(tmp_path, "onnx", "--url", url, "--api-key", "right")
    assert (code, text) == (1, "bakeoff: failed: onnx is failed: out of memory\n")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((404, {"detail": "Not Found"}), "/keep answered 404; that stack is too old to be told"),
        ((200, b"<html>"), "/keep answered, but not as a bake-off does; is another program there?"),
        ((200, {"kept": 1}), "/keep answered 200, but not as a bake-off does"),
        ((503, {"error": "a\nb\x1b[2J"}), "bakeoff: failed: a\\nb\\x1b[2J\n"),
    ],
)
def test_what_is_no_stack_of_ours_is_told(tmp_path: Path, answer: tuple[int, Any], why: str) -> None:
    with elsewhere(lambda *_: answer) as url:
        code, text = bakeoff(tmp_path, "onnx", "--url", url)
    assert code == 1
    assert why in text
    assert text.count("\n") == 1


def test_nobody_there_is_told(tmp_path: Path) -> None:
    code, text = bakeoff(tmp_path, "onnx", "--url", "http://127.0.0.1:1")
    assert code == 1
    assert text.startswith("bakeoff: failed: nothing answers at http://127.0.0.1:1/keep (")
