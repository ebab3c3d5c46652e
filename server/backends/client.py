"""What the gate asks a backend: the Open Inference Protocol through `tritonclient`, as any user would."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
from geventhttpclient.response import HTTPParseError
from tritonclient import http
from tritonclient.utils import InferenceServerException

from server.addresses import netloc
from server.backend_addresses import BackendAddress
from server.keys import ADMIN_HEADER, admin_secret
from server.oip.errors import GIVEN_UP
from server.oip.spec import EMBEDDING, ENCODED_IMAGE, ENCODED_MODEL, IMAGE, PIXEL_MODEL

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 120.0
"""The largest batch on a slow CPU takes many seconds."""

FAILURES = (OSError, InferenceServerException, HTTPParseError)
"""What `tritonclient` raises; the last is its HTTP library's, for a connection that is closed within an answer."""

MISDIRECTED_FOR_S = 10.0
"""For which another program on the same port, while one hands it to the other, may answer in its place (421)."""

T = TypeVar("T")

Embeddings = npt.NDArray[np.float32]


class BackendError(RuntimeError):
    """A backend does not answer, or answers with an error; the message is its own."""


class Busy(BackendError):
    """A backend refuses a request because too many wait already, or has dropped it after it waited too long."""


class ModelLost(BackendError):
    """Triton has given up a process of a model; it starts no other, so only a new Triton helps."""


class BackendClient:
    """A connection to one backend's HTTP port. Not thread-safe, as `tritonclient` is not."""

    def __init__(
        self, host: str, port: int, headers: Mapping[str, str] = {}, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        """Connect to nobody yet; `headers` go with every request, such as the key's."""
        self._client = http.InferenceServerClient(
            netloc(host, port), connection_timeout=CONNECT_TIMEOUT_S, network_timeout=answer_timeout_s
        )
        self._headers = dict(headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def live(self) -> bool:
        """Tell whether the server answers at all.

        Raises:
            TimeoutError: it takes connections but does not answer.
        """
        return self._holds(lambda: self._client.is_server_live(headers=self._headers))

    def ready(self) -> bool:
        """Tell whether both models can be used.

        Raises:
            TimeoutError: the server takes connections but does not answer.
        """
        return all(self.model_ready(model) for model in (PIXEL_MODEL, ENCODED_MODEL))

    def model_ready(self, model: str) -> bool:
        """Tell whether one model can be used.

        Raises:
            TimeoutError: the server takes connections but does not answer.
        """
        return self._holds(lambda: self._client.is_model_ready(model, headers=self._headers))

    def unload(self, model: str) -> None:
        """Have Triton take no more requests for a model, under explicit model control; it finishes those it has.

        Raises:
            BackendError: it does not.
        """
        try:
            self._client.unload_model(model, headers={ADMIN_HEADER: admin_secret()})
        except FAILURES as error:
            raise BackendError(f"{model} cannot be unloaded: {error}") from error

    def serving(self, model: str) -> bool:
        """Tell whether Triton still has requests of a model, or takes them.

        Raises:
            BackendError: it does not say.
        """
        try:
            index = self._client.get_model_repository_index(headers={ADMIN_HEADER: admin_secret()})
        except FAILURES as error:
            raise BackendError(f"no model index: {error}") from error
        return any(one["name"] == model and one.get("state") in ("READY", "UNLOADING") for one in index)

    def executions(self) -> int:
        """Return how many batches the pixel model has computed; it serves the other one too.

        Raises:
            BackendError: it does not say.
        """
        try:
            statistics = self._client.get_inference_statistics(PIXEL_MODEL, headers=self._headers)
            return int(statistics["model_stats"][0].get("execution_count", 0))
        except (*FAILURES, LookupError) as error:
            raise BackendError(f"no statistics: {error}") from error

    def load(self, model: str) -> None:
        """Have Triton load a model, under explicit model control.

        Raises:
            BackendError: Triton cannot load it; the message is Triton's own.
        """
        try:
            self._client.load_model(model, headers={ADMIN_HEADER: admin_secret()})
        except FAILURES as error:
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
            answer = _again(
                lambda: _addressed(lambda: self._client.infer(model, [tensor], headers=dict(self._headers)))
            )
            embeddings: Embeddings | None = answer.as_numpy(EMBEDDING)
        except FAILURES as error:
            raise _kind(error)(f"{model}, batch of {len(values)}: {error}") from error
        if embeddings is None:
            raise BackendError(f"{model}, batch of {len(values)}: the answer holds no {EMBEDDING}")
        return embeddings

    @staticmethod
    def _holds(question: Callable[[], object]) -> bool:
        try:
            return bool(_again(question))
        except TimeoutError:
            raise
        except FAILURES:
            return False


def connect(address: BackendAddress, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> BackendClient:
    """Return a connection to a backend of this stack, opened by its header."""
    return BackendClient(address.host, address.http_port, address.header, answer_timeout_s=answer_timeout_s)


def _again(question: Callable[[], T]) -> T:
    """Ask, and where the connection ends without an answer once more on a new one.

    8002 has a connection in one of its HTTP workers; when that one dies the others go on, and another takes its place.
    """
    try:
        return question()
    except TimeoutError:
        raise
    except (OSError, HTTPParseError):
        return question()


def _addressed(question: Callable[[], T]) -> T:
    """Ask until the right program has the connection: whoever says 421 closes it."""
    deadline = time.monotonic() + MISDIRECTED_FOR_S
    while True:
        try:
            return question()
        except InferenceServerException as error:
            if str(error.status()) != "421" or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _kind(error: Exception) -> type[BackendError]:
    if not isinstance(error, InferenceServerException):
        return BackendError
    if GIVEN_UP in str(error):
        return ModelLost
    return Busy if str(error.status()) in ("503", "504") else BackendError
