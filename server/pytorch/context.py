"""What every route needs, put together once by the app."""

from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request

from server.backend_addresses import BackendAddress
from server.console.quick_benchmark import QuickBenchmark
from server.console.trial import Trial
from server.hardware import Hardware
from server.http import context as http
from server.http.heartbeat import Heartbeat
from server.pytorch.engine_client import EngineClient
from server.pytorch.service import EmbeddingService
from server.readiness import Document, read_document
from server.settings import BackendName
from server.state import READINESS


@dataclass(frozen=True, kw_only=True)
class Context(http.Context):
    """The worker's parts.

    Attributes:
        backends: all that are enabled, this one too.
    """

    service: EmbeddingService
    hardware: Hardware
    engines: EngineClient
    heartbeat: Heartbeat
    backends: dict[BackendName, BackendAddress]
    trial: Trial
    benchmark: QuickBenchmark

    @property
    def loaded(self) -> bool:
        """True when requests can be served."""
        return self.engines.loaded is not None

    @property
    def model_info(self) -> dict[str, Any]:
        """What this server says of its model, once it has loaded where it decodes, too."""
        loaded = self.engines.loaded
        if loaded is None:
            return self.described
        return {**self.described, "precision": loaded.precision, "decode": loaded.decode}


async def context(request: Request) -> Context:
    """FastAPI dependency: the context of the app that serves `request`.

    Like all dependencies here it is a coroutine: FastAPI would give a plain function to a thread, which costs more.
    """
    return cast("Context", request.app.state.context)


def ready_document(parts: Context) -> Document:
    """Return the readiness document of the whole container, not ready while this server is not.

    It is ready while one of several engines is started again, and says so.
    """
    document = read_document(READINESS.at(parts.settings.bakeoff_home))
    if "pytorch" not in parts.settings.backends:
        return document
    problem = _problem(parts)
    if problem and (document["ready"] or parts.engines.lost):
        return {"note": problem, **document, "ready": False}
    if document["ready"] and (missing := parts.engines.missing):
        return {**document, "note": f"PyTorch: {missing}; the others answer"}
    return document


def _problem(parts: Context) -> str | None:
    """Return what this server knows of itself and the gate cannot see at once."""
    if not parts.loaded:
        return f"PyTorch: {parts.engines.missing}"
    if silent := parts.heartbeat.silent():
        return f"HTTP worker {silent[0]} of the PyTorch server hangs; after HANG_TIMEOUT_S it is replaced"
    return None
