"""The null server: speaks the protocol, computes nothing, and answers every request at once with embeddings of norm 1.

What the client reaches against it is the client's own limit, on this machine, for a load. It is no backend.
"""

import asyncio
import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from tritonclient.grpc import service_pb2

from bench.client.connections import DIMENSIONS, METHOD, UNLIMITED
from bench.client.endpoint import Endpoint
from bench.errors import BenchError

HOST = "127.0.0.1"


@lru_cache(maxsize=256)
def http_answer(batch: int) -> bytes:
    """Return a whole HTTP answer with `batch` embeddings."""
    data = _embeddings(batch)
    output = {"name": "embedding", "datatype": "FP32", "shape": [batch, DIMENSIONS]}
    header = json.dumps(
        {"model_name": "null", "outputs": [{**output, "parameters": {"binary_data_size": len(data)}}]}
    ).encode()
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nInference-Header-Content-Length: {len(header)}"
        f"\r\nContent-Length: {len(header) + len(data)}\r\n\r\n"
    )
    return head.encode() + header + data


@lru_cache(maxsize=256)
def grpc_answer(batch: int) -> bytes:
    """Return a serialised answer with `batch` embeddings."""
    message = service_pb2.ModelInferResponse(model_name="null", raw_output_contents=[_embeddings(batch)])
    message.outputs.add(name="embedding", datatype="FP32", shape=[batch, DIMENSIONS])
    data: bytes = message.SerializeToString()
    return data


def _embeddings(batch: int) -> bytes:
    return np.full((batch, DIMENSIONS), DIMENSIONS**-0.5, np.float32).tobytes()


class _Http(asyncio.Protocol):
    """Reads past a body as fast as it comes; the shape in the first part of the JSON tells how much to answer."""

    def __init__(self) -> None:
        self._head = b""
        self._left = -1

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        while data:
            if self._left < 0:
                self._head += data
                start = self._head.find(b"\r\n\r\n")
                if start < 0:
                    return
                fields = dict(line.lower().split(b": ", 1) for line in self._head[:start].split(b"\r\n")[1:])
                self._json = int(fields[b"inference-header-content-length"])
                self._body = self._head[start + 4 :]
                self._left = int(fields[b"content-length"]) - len(self._body)
                self._head = b""
            else:
                if len(self._body) < self._json:
                    self._body += data
                self._left -= len(data)
            if self._left > 0:
                return
            shape = json.loads(self._body[: self._json])["inputs"][0]["shape"]
            self._transport.write(http_answer(shape[0]))
            self._left, data = -1, b""  # no pipelining: what follows a body comes after its answer


def _infer(request: bytes, context: Any) -> bytes:
    batch = service_pb2.ModelInferRequest.FromString(request).inputs[0].shape[0]
    return grpc_answer(int(batch))


def _serve(pipe: Pipe, http_port: int, grpc_port: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    handler = grpc.method_handlers_generic_handler(
        METHOD.split("/")[1], {METHOD.split("/")[2]: grpc.unary_unary_rpc_method_handler(_infer)}
    )
    server = grpc.server(ThreadPoolExecutor(16), options=[*UNLIMITED, ("grpc.so_reuseport", 1)])
    server.add_generic_rpc_handlers((handler,))
    bound = server.add_insecure_port(f"{HOST}:{grpc_port}")
    server.start()

    async def run() -> None:
        listening = await asyncio.get_running_loop().create_server(_Http, HOST, http_port, reuse_port=True)
        pipe.send((listening.sockets[0].getsockname()[1], bound))
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=_until_closed, args=(pipe, loop, ended), daemon=True).start()
        await ended.wait()

    asyncio.run(run())
    server.stop(0)


def _until_closed(pipe: Pipe, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    try:
        pipe.recv()
    except EOFError:
        loop.call_soon_threadsafe(ended.set)


class NullServer:
    """Runs `processes` of it on ports of its own; a context manager."""

    def __init__(self, processes: int, timeout_s: float = 30.0) -> None:
        """Start them.

        Raises:
            BenchError: they do not start.
        """
        context = get_context("spawn")
        self._processes, self._pipes = [], []
        ports = (0, 0)
        for _ in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, *ports), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)
            try:
                if not ours.poll(timeout_s):
                    raise BenchError(f"the null server did not start within {timeout_s:g} s")
                ports = ours.recv()
            except EOFError as error:
                self.close()
                raise BenchError("the null server has ended; is there enough memory?") from error
        self.endpoint = Endpoint(f"http://{HOST}:{ports[0]}", f"{HOST}:{ports[1]}", {}, timeout_s)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.close()

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.terminate()
            process.join()
