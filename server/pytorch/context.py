"""What every route needs, put together once by the app."""

from dataclasses import dataclass
from typing import Any

from server.http import context as http
from server.http.front_status import FrontStatus
from server.http.heartbeat import Heartbeat
from server.pytorch.engine_client import EngineClient
from server.pytorch.service import EmbeddingService


@dataclass(frozen=True, kw_only=True)
class Context(http.Context):
    """The worker's parts."""

    service: EmbeddingService
    engines: EngineClient

    @property
    def model_info(self) -> dict[str, Any]:
        """What this server says of its model, once it has loaded where it decodes, too."""
        loaded = self.engines.loaded
        if loaded is None:
            return self.described
        return {**self.described, "precision": loaded.precision, "decode": loaded.decode}


def front_status(engines: EngineClient, heartbeat: Heartbeat) -> FrontStatus:
    """Return what this server knows of itself: it cannot serve, or does while one of several engines is started again."""
    if engines.loaded is None:
        return FrontStatus(f"PyTorch: {engines.missing}", engines.lost)
    if silent := heartbeat.silent():
        problem = f"HTTP worker {silent[0]} of the PyTorch server hangs; after HANG_TIMEOUT_S it is replaced"
        return FrontStatus(problem, engines.lost)
    return FrontStatus(note=f"PyTorch: {engines.missing}; the others answer" if engines.missing else None)
