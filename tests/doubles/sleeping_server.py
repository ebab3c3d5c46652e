"""A double of a backend: speaks the protocol truly, computes nothing, sleeps for times that are known.

`python -m tests.doubles.sleeping_server --port 0 --mean-ms 20` prints `{"url": ...}` once it listens. Beyond what a
backend serves, `GET /delays` tells the delays that were really given, and `POST /delays/forget` begins them anew.
"""

import argparse
import asyncio
import json
import socket
import time
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import httptools
import numpy as np
import numpy.typing as npt

from server.oip.errors import InferenceError, bad_request
from server.oip.model import ModelSpec, metadata, server_metadata
from server.oip.request import InferRequest, parse_request
from server.oip.response import encode_response
from server.oip.spec import EMBEDDING, EMBEDDING_SIZE, model_specs
from server.oip.statistics import ModelStatistics, cells
from tests.doubles.precise_loop import precise_loop
from tests.doubles.service import Service, Stall

Answer = tuple[int, bytes, dict[str, str]]
JSON = {"Content-Type": "application/json"}
PRECISE_BELOW_MS = 100


class SleepingServer:
    """What is served, apart from the bytes on the wire."""

    def __init__(
        self, service: Service, name: str, url: str, peers: dict[str, str], max_batch_size: int, refuse: str = ""
    ) -> None:
        self.service = service
        self.refuse = refuse.encode()
        self.specs = {spec.name: spec for spec in model_specs(max_batch_size)}
        self.statistics = {
            spec.name: ModelStatistics(spec.name, "1", np.zeros((1, cells(max_batch_size)), np.int64), 0)
            for spec in self.specs.values()
        }
        self.urls = {name: url, **peers}
        self.max_batch_size = max_batch_size
        self.delays: list[dict[str, float]] = []

    def get(self, path: str) -> Answer:
        """Answer everything but inference."""
        if path in ("/ready", "/delays"):
            return _json(self._ready() if path == "/ready" else self.delays)
        parts = path.strip("/").split("/")
        match parts:
            case ["v2"]:
                return _json(server_metadata())
            case ["v2", "health", "live" | "ready"]:
                return 200, b"", {}
            case ["v2", "models", "stats"]:
                return _json({"model_stats": [one.snapshot() for one in self.statistics.values()]})
            case ["v2", "models", model, *rest] if model in self.specs:
                rest = rest[2:] if rest[:2] == ["versions", "1"] else rest
                return self._model(self.specs[model], rest)
        return _json({"error": f"{path} is not served by this double"}, 404)

    def _model(self, spec: ModelSpec, rest: list[str]) -> Answer:
        match rest:
            case []:
                return _json(metadata(spec))
            case ["ready"]:
                return 200, b"", {}
            case ["stats"]:
                return _json({"model_stats": [self.statistics[spec.name].snapshot()]})
            case ["config"]:
                return _json(
                    {
                        "name": spec.name,
                        "platform": spec.platform,
                        "max_batch_size": spec.max_batch_size,
                        "dynamic_batching": {"max_queue_delay_microseconds": 0},
                        "parameters": {"precision": {"string_value": "fp32"}},
                    }
                )
        return _json({"error": f"model '{spec.name}' has no {'/'.join(rest)}"}, 404)

    def _ready(self) -> dict[str, Any]:
        entry = {"state": "ready", "reason": None, "progress": 1.0, "phase": None, "required": True, "elapsed_s": 1.0,
                 "timings_s": {"starting": 1.0}, "parity": None, "grpc_url": None}  # fmt: skip
        return {
            "ready": True,
            "since": "2026-01-01T00:00:00+00:00",
            "model": {
                "name": "ViT-B-32",
                "pretrained": "none: a double that sleeps",
                "precision": "fp32",
                "max_batch_size": self.max_batch_size,
                "embeddings_meaningful": False,
                "note": "a double that sleeps",
            },
            "backends": {name: {**entry, "title": name, "url": url} for name, url in self.urls.items()},
        }

    def infer(
        self, path: str, header_length: str | None, body: bytes, begun: float, send: Callable[[Answer], None]
    ) -> None:
        """Answer an inference request, begun to be read at `begun` and fully read now, when its time has come."""
        arrived = time.monotonic()
        parts = path.strip("/").split("/")
        spec = self.specs.get(parts[2]) if len(parts) > 3 and parts[:2] == ["v2", "models"] else None
        if spec is None:
            send(_json({"error": f"no model at {path}; there is {', '.join(self.specs)}"}, 404))
            return
        try:
            request = parse_request(body, header_length, spec)
            self._check(request)
            answer = _answer(spec, request)
        except InferenceError as error:
            self.statistics[spec.name].record_failure(int((time.monotonic() - arrived) * 1e9))
            send(_json({"error": str(error)}, error.status))
            return
        start, due = self.service.schedule(arrived)
        batch = int(answer[2].pop("batch"))

        def finish() -> None:
            answered = time.monotonic()  # before the write: the client may run before this process does again
            send(answer)
            queue_ns, infer_ns = int((start - arrived) * 1e9), int((answered - start) * 1e9)
            self.statistics[spec.name].record_success(batch, queue_ns, 0, infer_ns, 0)
            self.statistics[spec.name].record_execution(batch, 0, infer_ns, 0)
            self.delays.append(
                {
                    "arrived_s": arrived,
                    "reading_ms": (arrived - begun) * 1e3,
                    "given_ms": (answered - arrived) * 1e3,
                    "due_ms": (due - arrived) * 1e3,
                }
            )

        asyncio.get_running_loop().call_at(due, finish)

    def _check(self, request: InferRequest) -> None:
        """Refuse images that hold what `--refuse` names, as a backend refuses what is no image to it."""
        ((name, rows),) = request.inputs.items()
        for number, row in enumerate(rows):
            if self.refuse and not isinstance(row, np.ndarray) and self.refuse in bytes(row):
                raise bad_request(f"{name}[{number}]: not a JPEG, PNG or WebP image ({len(row)} bytes)")


def _json(document: Any, status: int = 200) -> Answer:
    return status, json.dumps(document).encode(), JSON


def _answer(spec: ModelSpec, request: InferRequest) -> Answer:
    (tensor,) = request.inputs.values()
    rows = [zlib.crc32(row if isinstance(row, bytes | memoryview) else row.data) for row in tensor]
    encoded = encode_response(spec, request, {EMBEDDING: np.stack([_embedding(row) for row in rows])})
    headers = {"Content-Type": encoded.content_type, "batch": str(request.batch_size)}
    if encoded.header_length is not None:
        headers["Inference-Header-Content-Length"] = str(encoded.header_length)
    return 200, b"".join(encoded.chunks), headers


@lru_cache(4096)
def _embedding(checksum: int) -> npt.NDArray[np.float32]:
    """Return FP32 `[512]` of norm 1: the same for the same bytes, anything for others."""
    values = np.random.default_rng(checksum).standard_normal(EMBEDDING_SIZE).astype(np.float32)
    return values / np.linalg.norm(values)


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, kept open; a client that sends the next request before its answer is not served here."""

    def __init__(self, server: SleepingServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._begun = time.monotonic()
        self._url, self._body, self._headers = b"", bytearray(), dict[bytes, bytes]()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        path = httptools.parse_url(self._url).path.decode()
        if self._parser.get_method() == b"GET":
            self._send(self._server.get(path))
        elif path == "/delays/forget":
            self._server.delays.clear()
            self._send(_json({}))
        else:
            length = self._headers.get(b"inference-header-content-length")
            self._server.infer(path, length and length.decode(), bytes(self._body), self._begun, self._send)

    def _send(self, answer: Answer) -> None:
        status, body, headers = answer
        lines = [f"HTTP/1.1 {status} Double", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
        self._transport.write(head + body)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled."""
    stall = Stall(arguments.stall_after_s, arguments.stall_s) if arguments.stall_s else None
    service = Service(
        arguments.mean_ms,
        arguments.distribution,
        arguments.sigma,
        arguments.seed,
        arguments.one_at_a_time,
        arguments.slower_percent,
        stall,
    )
    listener = socket.create_server((arguments.host, arguments.port), backlog=1024)
    url = f"http://{arguments.host}:{listener.getsockname()[1]}"
    peers = dict(peer.split("=", 1) for peer in arguments.peer)
    server = SleepingServer(service, arguments.name, url, peers, arguments.max_batch_size, arguments.refuse)
    listening = await asyncio.get_running_loop().create_server(lambda: Connection(server), sock=listener)
    print(json.dumps({"url": url}), flush=True)
    await listening.serve_forever()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", default="pytorch", help="as which backend /ready names it")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=URL", help="another backend for /ready")
    parser.add_argument("--max-batch-size", type=int, default=8)
    parser.add_argument("--mean-ms", type=float, default=20.0)
    parser.add_argument("--distribution", choices=("constant", "lognormal", "exponential"), default="constant")
    parser.add_argument("--sigma", type=float, default=0.5, help="shape of the lognormal distribution")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one-at-a-time", action="store_true")
    parser.add_argument("--slower-percent", type=float, default=0.0)
    parser.add_argument("--refuse", default="", help="words in an encoded image that make it none")
    parser.add_argument("--stall-s", type=float, default=0.0, help="length of the one stall")
    parser.add_argument("--stall-after-s", type=float, default=0.0, help="seconds behind the first request")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    # A busy machine's scheduler makes those wait who spin, and a millisecond is nothing beside long delays.
    with asyncio.Runner(loop_factory=precise_loop if arguments.mean_ms < PRECISE_BELOW_MS else None) as runner:
        runner.run(serve(arguments))
