"""What the console's routes need, put together once by the app."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from server.backend_addresses import BackendAddress
from server.console.quick_benchmark import QuickBenchmark
from server.console.trial import Trial
from server.http.front_status import front_status
from server.readiness import Document, read_document
from server.setting_types import BackendName
from server.settings import Settings
from server.state import READINESS


@dataclass(frozen=True)
class Context:
    """The console's parts.

    Attributes:
        device: that the backends use, `cuda` or `cpu`.
        backends: all that are enabled.
    """

    settings: Settings
    device: str
    backends: dict[BackendName, BackendAddress]
    trial: Trial
    benchmark: QuickBenchmark


async def context(request: Request) -> Context:
    """FastAPI dependency: the context of the app."""
    return cast("Context", request.app.state.context)


async def ready_document(request: Request) -> Document:
    """FastAPI dependency: the readiness document of the whole container, not ready while the server of port 8002 is not."""
    parts, front = await context(request), front_status(request.headers)
    document = read_document(READINESS.at(parts.settings.bakeoff_home))
    if front.unready and (document["ready"] or front.lost):
        return {"note": front.unready, **document, "ready": False}
    if front.note and document["ready"]:
        return {**document, "note": front.note}
    return document


Parts = Annotated[Context, Depends(context)]
Readiness = Annotated[Document, Depends(ready_document)]
