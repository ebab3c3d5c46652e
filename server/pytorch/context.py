"""What every route needs, put together once by the app."""

from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request

from server.hardware import Hardware
from server.oip.model import ModelSpec
from server.pytorch.lifecycle import Lifecycle
from server.pytorch.metrics import Metrics
from server.settings import Settings


@dataclass(frozen=True)
class Context:
    """The server's parts.

    Attributes:
        model_info: what this server says of its model in `/model-info` and beside every REST answer.
        specs: the served models by name, for the Open Inference Protocol.
    """

    settings: Settings
    hardware: Hardware
    lifecycle: Lifecycle
    metrics: Metrics
    specs: dict[str, ModelSpec]
    model_info: dict[str, Any]


def context(request: Request) -> Context:
    """FastAPI dependency: the context of the app that serves `request`."""
    return cast("Context", request.app.state.context)
