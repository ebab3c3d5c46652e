"""One connection to a backend: blocking, kept open, used by one thread."""

import http.client
import json
import select
from typing import Any, Protocol
from urllib.parse import urlsplit

import grpc
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2

from bench.client.bodies import Body
from bench.client.endpoint import Endpoint
from bench.proxies import proxy_for
from bench.scenarios import Transport
from server.keys import GRPC_PREFIX

DIMENSIONS = 512
NORM_TOLERANCE = 0.02
METHOD = "/inference.GRPCInferenceService/ModelInfer"
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]

Embeddings = npt.NDArray[np.float32]


class RefusedError(Exception):
    """The server answered with an error, or not with embeddings; `status` is that of an HTTP answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Connection(Protocol):
    """What the load generator needs of a transport."""

    def open(self) -> None:
        """Connect; what fails, fails again in `send`, where it is counted."""

    def send(self, body: Body) -> Any:
        """Send one request and return its whole answer, undecoded: this is what is timed.

        Raises:
            Exception: whatever the socket or the library raises.
        """

    def decode(self, answer: Any, batch: int) -> Embeddings:
        """Return the answer's embeddings, FP32 `[batch, 512]`.

        Raises:
            RefusedError: it is an error, or not embeddings.
        """

    def close(self) -> None:
        """Close it; the next `send` opens it again."""


def connect(endpoint: Endpoint, transport: Transport) -> Connection:
    """Return a connection that is not open yet."""
    return HttpConnection(endpoint) if transport == "http" else GrpcConnection(endpoint)


class HttpConnection:
    """HTTP/1.1 by the standard library's client, which sets TCP_NODELAY and keeps the connection open."""

    def __init__(self, endpoint: Endpoint) -> None:
        kind = http.client.HTTPSConnection if endpoint.secure else http.client.HTTPConnection
        address, proxy = urlsplit(endpoint.url).netloc, proxy_for(endpoint.url)
        self._connection = kind(f"{proxy.host}:{proxy.port}" if proxy else address, timeout=endpoint.timeout_s)
        self._prefix = endpoint.path
        self._headers = {**endpoint.headers, "Content-Type": "application/octet-stream"}
        if proxy and endpoint.secure:
            self._connection.set_tunnel(address, headers=proxy.headers)
        elif proxy:
            self._prefix = f"http://{address}{endpoint.path}"
            self._headers |= proxy.headers

    def open(self) -> None:
        """Connect."""
        self._connection.connect()

    def send(self, body: Body) -> tuple[int, str | None, bytes]:
        """Return status, JSON length and body of the answer."""
        connection = self._connection
        if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
            connection.close()  # the server has closed it while it was idle; it is opened again on the clock
        headers = {**self._headers, "Inference-Header-Content-Length": str(body.header_length)}
        try:
            connection.request("POST", f"{self._prefix}/v2/models/{body.model}/infer", body.data, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Inference-Header-Content-Length"), answer.read()
        except BaseException:
            connection.close()
            raise

    def decode(self, answer: tuple[int, str | None, bytes], batch: int) -> Embeddings:
        """Check status, shape and norms."""
        status, length, data = answer
        if status != http.client.OK or length is None:
            words = data[:300].decode(errors="replace")
            raise RefusedError(f"answered {status}: {words}", status)
        output = json.loads(data[: int(length)])["outputs"][0]
        return checked(data[int(length) :], output["shape"], batch)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class GrpcConnection:
    """One channel with a connection of its own; messages are serialised beforehand and parsed off the clock."""

    def __init__(self, endpoint: Endpoint) -> None:
        if endpoint.grpc is None:
            raise ValueError(f"{endpoint.url} has no gRPC port")
        self._address, self._secure, self._timeout_s = endpoint.grpc, endpoint.secure, endpoint.timeout_s
        proxy = proxy_for(f"{'https' if endpoint.secure else 'http'}://{endpoint.grpc}")
        self._way = ("grpc.http_proxy", proxy.url) if proxy else ("grpc.enable_http_proxy", 0)
        self._metadata = [
            (f"{prefix}{name.lower()}", value)
            for name, value in endpoint.headers.items()
            for prefix in ("", GRPC_PREFIX)
        ]  # a proxy looks for the plain name, Triton for its own
        self._channel: grpc.Channel | None = None
        self._call: Any = None

    def open(self) -> None:
        """Connect."""
        options = [*UNLIMITED, *OWN_CONNECTION, self._way]
        if self._secure:
            self._channel = grpc.secure_channel(self._address, grpc.ssl_channel_credentials(), options)
        else:
            self._channel = grpc.insecure_channel(self._address, options)
        self._call = self._channel.unary_unary(METHOD)
        grpc.channel_ready_future(self._channel).result(self._timeout_s)

    def send(self, body: Body) -> bytes:
        """Return the answer's message.

        Raises:
            RefusedError: the call failed.
        """
        if self._call is None:
            self.open()
        try:
            answer: bytes = self._call(bytes(body.data), timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise RefusedError(f"{error.code().name}: {error.details()}") from error
        return answer

    def decode(self, answer: bytes, batch: int) -> Embeddings:
        """Check shape and norms; errors have been raised by `send`."""
        message = service_pb2.ModelInferResponse.FromString(answer)
        if not message.outputs or not message.raw_output_contents:
            raise RefusedError("no embeddings")
        return checked(message.raw_output_contents[0], list(message.outputs[0].shape), batch)

    def close(self) -> None:
        """Close the channel."""
        if self._channel is not None:
            self._channel.close()
            self._channel = self._call = None


def checked(data: bytes, shape: list[int], batch: int) -> Embeddings:
    """Return embeddings FP32 `[batch, 512]` from their bytes when they are finite and of L2 norm 1.

    Raises:
        RefusedError: they are not.
    """
    if shape != [batch, DIMENSIONS] or len(data) != 4 * batch * DIMENSIONS:
        raise RefusedError(f"embeddings of shape {shape} in {len(data)} bytes; expected [{batch}, {DIMENSIONS}]")
    embeddings = np.frombuffer(data, np.float32).reshape(batch, DIMENSIONS)
    norms = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings))
    if not (np.abs(norms - 1) <= NORM_TOLERANCE).all():
        raise RefusedError(f"an embedding of norm {norms[np.abs(norms - 1).argmax()]:.3g}; expected 1")
    return embeddings
