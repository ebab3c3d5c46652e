"""What is asked of a backend beside the load: its settings, its counters, embeddings to compare. Never on the clock."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx

from bench.client.bodies import MODELS, make_body
from bench.client.connections import Embeddings, connect
from bench.client.endpoint import Endpoint
from bench.fairness import Served
from bench.photos import Photo
from bench.proxies import http_client
from bench.scenarios import Input
from bench.splits import composing_models
from server.oip.counters import Reading, read_counters

SETTLE_S = 0.25
"""Longest wait for a server's counters to stand still."""


class Control:
    """Asks one backend; a context manager."""

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        """Prepare for a backend; nothing is sent yet."""
        self.name = name
        self.endpoint = endpoint
        self._http = http_client(endpoint.url, endpoint.headers, endpoint.timeout_s, base_url=f"{endpoint.url}/")
        self._configs: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self._http.close()

    def server(self) -> str:
        """Return the server's name and version.

        Raises:
            httpx.HTTPError, KeyError, ValueError: it does not tell.
        """
        metadata = self._get("v2")
        return f"{metadata['name']} {metadata['version']}"

    def served(self) -> Served:
        """Return how the model of pixels is served, by the model configuration extension.

        Raises:
            httpx.HTTPError, ValueError: it does not tell.
        """
        config = self._config(MODELS["pixels"])
        batching = config.get("dynamic_batching")
        delay = None if batching is None else int(batching.get("max_queue_delay_microseconds", 0))
        precision = (config.get("parameters") or {}).get("precision") or {}
        return Served(
            backend=self.name,
            precision=precision.get("string_value"),
            max_batch_size=config.get("max_batch_size"),
            batch_delay_us=delay,
        )

    def counters(self, kind: Input) -> dict[str, Reading] | None:
        """Return the statistics of a model and of those it is made of, once they stand still.

        A server may count a request a moment after it was answered. None where it keeps no statistics: the split is an
        extra, and the backend is measured all the same.
        """
        try:
            last = self._counters(kind)
            for _ in _for_seconds(SETTLE_S):
                time.sleep(0.003)
                now = self._counters(kind)
                if now == last:
                    break
                last = now
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):  # not there, or not as it should be
            return None
        return last

    def embed(self, kind: Input, photos: list[Photo]) -> Embeddings:
        """Return the embeddings of `photos`, FP32 `[n, 512]`, over a connection of its own.

        Raises:
            Exception: whatever the way or the server raises.
        """
        connection = connect(self.endpoint, "http")
        try:
            return connection.decode(connection.send(make_body(kind, "http", photos)), len(photos))
        finally:
            connection.close()

    def _counters(self, kind: Input) -> dict[str, Reading]:
        model = MODELS[kind]
        names = {model, *composing_models(self._config(model))}
        return {name: read_counters(self._get(f"v2/models/{name}/stats")) for name in names}

    def _config(self, model: str) -> dict[str, Any]:
        if model not in self._configs:
            self._configs[model] = self._get(f"v2/models/{model}/config")
        return self._configs[model]

    def _get(self, path: str) -> dict[str, Any]:
        answer = self._http.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def _for_seconds(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
