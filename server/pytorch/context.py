"""What every route needs, put together once by the app."""

from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request

from server.hardware import Hardware
from server.oip.model import ModelSpec
from server.pytorch.engines import Engines
from server.pytorch.metrics import Metrics
from server.pytorch.service import EmbeddingService
from server.settings import Settings


@dataclass(frozen=True)
class Context:
    """The worker's parts.

    Attributes:
        described: what the settings say of the model.
        specs: the served models by name, for the Open Inference Protocol.
    """

    settings: Settings
    hardware: Hardware
    engines: Engines
    service: EmbeddingService
    metrics: Metrics
    specs: dict[str, ModelSpec]
    described: dict[str, Any]

    @property
    def loaded(self) -> bool:
        """True when requests can be served."""
        return self.engines.loaded is not None

    @property
    def model_info(self) -> dict[str, Any]:
        """What this server says of its model in `/model-info` and beside every REST answer."""
        loaded = self.engines.loaded
        if loaded is None:
            return self.described
        return {**self.described, "precision": loaded.precision, "decode": loaded.decode}


async def context(request: Request) -> Context:
    """FastAPI dependency: the context of the app that serves `request`.

    Like all dependencies here it is a coroutine: FastAPI would give a plain function to a thread, which costs more.
    """
    return cast("Context", request.app.state.context)
