"""What the routes ask of the program whose routes they are."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
from fastapi import Request, Response

from server.http.documents import Documents
from server.http.metrics import Metrics
from server.ipc.arena import Blocks
from server.oip.model import ModelSpec
from server.settings import Settings

Embeddings = npt.NDArray[np.float32]


class Embedder(Protocol):
    """Image files in, embeddings out."""

    def memory(self) -> AbstractContextManager[Blocks]:
        """Give a handler memory for its request.

        Raises:
            NotReady: nothing can be embedded now, or too much is waiting.
        """

    @property
    def largest_block(self) -> int:
        """Bytes of a request body that still leave room for what else is waiting."""

    async def embed_files(self, files: Sequence[bytes | memoryview], memory: Blocks, item: str = "image") -> Embeddings:
        """Return the embeddings FP32 `[N, 512]` of N image files.

        Args:
            files: JPEG, PNG or WebP files.
            memory: the request's; the embeddings last as long as it does.
            item: what the caller calls one of them, for messages such as `image[3]: not a JPEG, PNG or WebP image`.

        Raises:
            ImageError: naming the first file that cannot be used.
            NotReady, ArenaFull: it cannot be done now.
        """


class Models(Protocol):
    """The Open Inference Protocol behind its routes.

    Whatever is not answered now raises `NotReady`.
    """

    async def ready(self, spec: ModelSpec) -> bool:
        """Tell whether a model can be used."""

    async def metadata(self, spec: ModelSpec) -> dict[str, Any]:
        """Return the document of a model's inputs and outputs."""

    async def config(self, spec: ModelSpec) -> dict[str, Any]:
        """Return the document of how a model is served."""

    async def statistics(self, spec: ModelSpec | None) -> dict[str, Any]:
        """Return the document of a model's counters, or of all models'."""

    async def infer(self, request: Request, spec: ModelSpec) -> Response:
        """Answer a request to run a model.

        Raises:
            InferenceError, ImageError, ArenaFull: it cannot be answered.
        """


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the routes need, put together once by the application.

    Attributes:
        specs: the served models by name.
        described: what the settings say of the model.
    """

    settings: Settings
    service: Embedder
    models: Models
    documents: Documents
    metrics: Metrics
    specs: dict[str, ModelSpec]
    described: dict[str, Any]

    @property
    def model_info(self) -> dict[str, Any]:
        """What is said of the model in `/model-info` and beside every REST answer."""
        return self.described


async def context(request: Request) -> Context:
    """FastAPI dependency: the context of the app that serves `request`.

    Like all dependencies here it is a coroutine: FastAPI would give a plain function to a thread, which costs more.
    """
    return cast("Context", request.app.state.context)
