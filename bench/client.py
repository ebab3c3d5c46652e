"""One client for every backend: `tritonclient.http` as it is, binary tensors both ways, one connection kept open."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from bench.photos import Photo
from bench.scenarios import Input
from bench.splits import Counters, composing_models, read_counters

MODELS: dict[Input, str] = {"encoded": "openclip_vit_b32_encoded", "pixels": "openclip_vit_b32"}
DIMENSIONS = 512
NORM_TOLERANCE = 0.02


class BadAnswerError(Exception):
    """The server answered with success, but not with embeddings."""


@dataclass(frozen=True)
class Request:
    """One request, ready to be sent: N images, and the bytes of their tensor."""

    model: str
    batch: int
    payload_bytes: int
    inputs: list[Any]


def request(kind: Input, photos: Sequence[Photo]) -> Request:
    """Build the request for the embeddings of `photos`, in their order."""
    if kind == "pixels":
        pixels = np.stack([photo.pixels for photo in photos])
        tensor = InferInput("image", list(pixels.shape), "UINT8")
        tensor.set_data_from_numpy(pixels, binary_data=True)
        size = pixels.nbytes
    else:
        files = np.array([[photo.data] for photo in photos], dtype=np.object_)
        tensor = InferInput("encoded_image", list(files.shape), "BYTES")
        tensor.set_data_from_numpy(files, binary_data=True)
        size = sum(4 + len(photo.data) for photo in photos)  # each BYTES element follows its length in 4 bytes
    return Request(MODELS[kind], len(photos), size, [tensor])


def check(embeddings: npt.NDArray[np.float32] | None, batch: int) -> npt.NDArray[np.float32]:
    """Return `embeddings` when they are FP32 `[batch, 512]`, finite and of L2 norm 1.

    Raises:
        BadAnswerError: they are not.
    """
    if embeddings is None or embeddings.shape != (batch, DIMENSIONS):
        found = "no embeddings" if embeddings is None else f"embeddings of shape {list(embeddings.shape)}"
        raise BadAnswerError(f"{found}; expected [{batch}, {DIMENSIONS}]")
    norms = np.linalg.norm(embeddings, axis=1)
    if not (np.abs(norms - 1) <= NORM_TOLERANCE).all():
        raise BadAnswerError(f"an embedding of norm {norms[np.abs(norms - 1).argmax()]:.3g}; expected 1")
    return embeddings


class Client:
    """Talks to one backend from one thread."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Prepare for the backend at `url`; nothing is sent yet.

        Args:
            url: `http://HOST:PORT` or `https://HOST:PORT`, and a path where a proxy puts one before the protocol's.
            timeout_s: seconds after which connecting or waiting for an answer is given up.
        """
        parts = urlsplit(url)
        self._client = InferenceServerClient(
            f"{parts.netloc}{parts.path.rstrip('/')}",
            ssl=parts.scheme == "https",
            concurrency=1,
            connection_timeout=timeout_s,
            network_timeout=timeout_s,
        )
        self._outputs = [InferRequestedOutput("embedding", binary_data=True)]
        self._parts: dict[str, tuple[str, ...]] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._client.close()

    def wake(self) -> None:
        """Make sure that the connection is open.

        A server closes one that was idle for some seconds. The client library then repeats a GET on a new connection,
        but rightly not a POST, so an `embed` after a pause could fail for no fault of the server's.

        Raises:
            Exception: as in `embed`.
        """
        self._client.is_server_live()

    def embed(self, request: Request) -> npt.NDArray[np.float32] | None:
        """Send one request and return its answer, FP32 `[N, 512]`, unchecked so that checking can stay untimed.

        Raises:
            Exception: whatever the client library, the socket or the server's refusal raises.
        """
        answer: npt.NDArray[np.float32] | None = self._client.infer(
            request.model, request.inputs, outputs=self._outputs
        ).as_numpy("embedding")
        return answer

    def server(self) -> str:
        """Return the server's name and version."""
        metadata = self._client.get_server_metadata()
        return f"{metadata['name']} {metadata['version']}"

    def counters(self, model: str) -> dict[str, Counters]:
        """Return the statistics counters of `model` and, when it is an ensemble, of the models it is made of.

        Raises:
            Exception: as in `embed`; ValueError when the answer has no such counters.
        """
        if model not in self._parts:
            self._parts[model] = composing_models(self._client.get_model_config(model))
        names = {model, *self._parts[model]}
        return {name: read_counters(self._client.get_inference_statistics(name)) for name in names}
