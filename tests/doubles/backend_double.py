"""A double of a backend as the gate meets it: the protocol on a real port, embeddings out of the reference."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import numpy.typing as npt

from server.model.reference import Reference
from server.oip.request import parse_request
from server.oip.response import encode_response
from server.oip.spec import EMBEDDING, EMBEDDING_SIZE, ENCODED_MODEL, IMAGE_SHAPE, PIXEL_MODEL, model_specs

LARGEST_BATCH = 1024


def photos(count: int) -> Reference:
    """Return a reference of `count` photos; each one's pixels and its one byte of a file are its number."""
    embeddings = np.random.default_rng(3).normal(size=(count, EMBEDDING_SIZE)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    pixels = np.zeros((count, *IMAGE_SHAPE), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    return Reference([bytes([number]) for number in range(count)], pixels, embeddings)


class BackendDouble:
    """Its answers, told by attributes, and what was asked of it.

    Attributes:
        asked: every question in order: `live`, `ready of MODEL`, `MODEL x ROWS`, `statistics`.
        unwell: how many more times it says of a question of readiness, by its name, that it is not so.
        off: by model, what is added to every element of its embeddings.
        error: answered 500 to every inference, if any.
        heard: called with every question, before it is answered.
        keys: the values of the `Authorization` headers that came; None for a request without one.
    """

    def __init__(self, reference: Reference) -> None:
        self.asked: list[str] = []
        self.unwell: dict[str, int] = {}
        self.off = {PIXEL_MODEL: 0.0, ENCODED_MODEL: 0.0}
        self.error: str | None = None
        self.heard: Callable[[str], None] = lambda _: None
        self.keys: set[str | None] = set()
        self.port = 0
        self._reference = reference
        self._specs = {spec.name: spec for spec in model_specs(LARGEST_BATCH)}

    def get(self, path: str) -> tuple[int, bytes]:
        """Answer a question of liveness, readiness or statistics."""
        match path.strip("/").split("/"):
            case ["v2", "health", "live"]:
                return self._holds("live"), b""
            case ["v2", "models", model, "ready"]:
                return self._holds(f"ready of {model}"), b""
            case ["v2", "models", _, "stats"]:
                self._hear("statistics")
                return 200, json.dumps({"model_stats": [{"execution_count": len(self.asked)}]}).encode()
        return 404, b"{}"

    def infer(self, path: str, header_length: str | None, body: bytes) -> tuple[int, bytes, int | None]:
        """Return the status, the body and the length of its header."""
        spec = self._specs[path.split("/")[3]]
        request = parse_request(body, header_length, spec)
        (tensor,) = request.inputs.values()
        rows = [row.ravel()[0] if isinstance(row, np.ndarray) else row[0] for row in tensor]
        self._hear(f"{spec.name} x {len(rows)}")
        if self.error:
            return 500, json.dumps({"error": self.error}).encode(), None
        embeddings: npt.NDArray[np.float32] = self._reference.embeddings[rows] + np.float32(self.off[spec.name])
        answer = encode_response(spec, request, {EMBEDDING: embeddings})
        return 200, b"".join(answer.chunks), answer.header_length

    def _hear(self, question: str) -> None:
        self.asked.append(question)
        self.heard(question)

    def _holds(self, question: str) -> int:
        self._hear(question)
        left = self.unwell.get(question, 0)
        self.unwell[question] = max(0, left - 1)
        return 503 if left else 200


@contextmanager
def listening(double: BackendDouble) -> Iterator[BackendDouble]:
    """Serve the double's answers on `double.port` of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(*double.get(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(*double.infer(self.path, self.headers["Inference-Header-Content-Length"], body))

        def _answer(self, status: int, body: bytes, header_length: int | None = None) -> None:
            double.keys.add(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if header_length is not None:
                self.send_header("Inference-Header-Content-Length", str(header_length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.port = server.server_port
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
