"""What the gate asks a backend: the Open Inference Protocol through `tritonclient`, as any user would."""

from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from tritonclient import http
from tritonclient.utils import InferenceServerException

from server.oip.spec import EMBEDDING, ENCODED_IMAGE, ENCODED_MODEL, IMAGE, PIXEL_MODEL

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 120.0
"""The largest batch on a slow CPU takes many seconds."""

Embeddings = npt.NDArray[np.float32]


class BackendError(RuntimeError):
    """A backend does not answer, or answers with an error; the message is its own."""


class BackendClient:
    """A connection to one backend's HTTP port. Not thread-safe, as `tritonclient` is not."""

    def __init__(self, host: str, port: int) -> None:
        self._client = http.InferenceServerClient(
            f"{host}:{port}", connection_timeout=CONNECT_TIMEOUT_S, network_timeout=ANSWER_TIMEOUT_S
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def live(self) -> bool:
        """Tell whether the server answers at all."""
        try:
            return bool(self._client.is_server_live())
        except (OSError, InferenceServerException):
            return False

    def ready(self) -> bool:
        """Tell whether both models can be used."""
        try:
            return all(self._client.is_model_ready(model) for model in (PIXEL_MODEL, ENCODED_MODEL))
        except (OSError, InferenceServerException):
            return False

    def model_ready(self, model: str) -> bool:
        """Tell whether one model can be used."""
        try:
            return bool(self._client.is_model_ready(model))
        except (OSError, InferenceServerException):
            return False

    def load(self, model: str) -> None:
        """Have Triton load a model, under explicit model control.

        Raises:
            BackendError: Triton cannot load it; the message is Triton's own.
        """
        try:
            self._client.load_model(model)
        except (OSError, InferenceServerException) as error:
            raise BackendError(f"{model} cannot be loaded: {error}") from error

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> Embeddings:
        """Embed UINT8 `[N, 3, 224, 224]`.

        Raises:
            BackendError: it did not answer, or answered with an error.
        """
        return self._infer(PIXEL_MODEL, IMAGE, "UINT8", pixels)

    def embed_files(self, files: list[bytes]) -> Embeddings:
        """Embed N image files.

        Raises:
            BackendError: it did not answer, or answered with an error.
        """
        return self._infer(ENCODED_MODEL, ENCODED_IMAGE, "BYTES", np.array(files, dtype=np.object_).reshape(-1, 1))

    def _infer(self, model: str, name: str, datatype: str, values: npt.NDArray[np.generic]) -> Embeddings:
        tensor = http.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values)
        try:
            embeddings: Embeddings | None = self._client.infer(model, [tensor]).as_numpy(EMBEDDING)
        except (OSError, InferenceServerException) as error:
            raise BackendError(f"{model}, batch of {len(values)}: {error}") from error
        if embeddings is None:
            raise BackendError(f"{model}, batch of {len(values)}: the answer holds no {EMBEDDING}")
        return embeddings
