"""The FastAPI application on port 8002 without a PyTorch server, as each worker runs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from server.backend_addresses import addresses
from server.gateway.models import TritonModels
from server.gateway.service import TritonService
from server.gateway.tritons import Tritons
from server.hardware import Hardware
from server.http.context import Context
from server.http.current_keys import CurrentKeys
from server.http.documents import Documents
from server.http.front import serve_front
from server.http.front_status import FrontStatus
from server.http.heartbeat import Heartbeat
from server.http.metrics import Metrics
from server.http.passed_on import Console, over_socket
from server.http.routes import documentation
from server.http.tracing import Tracing, onward
from server.ipc.arena import Arena
from server.ipc.counters import Counters
from server.model.info import model_info
from server.oip.spec import model_specs
from server.settings import Settings
from server.sockets import CONSOLE, socket_path

SERVICE = "clip-bakeoff-gateway"
"""Name in traces."""


def create_app(
    settings: Settings, hardware: Hardware, arena: Arena, counters: Counters, heartbeat: Heartbeat
) -> FastAPI:
    """Build the application; it answers from the start, and 503 while no Triton serves.

    Raises:
        ModelError: nothing has been exported.
        SocketProblem: there is no folder for the console's socket.
    """
    metrics = Metrics()
    metrics.gauge("bakeoff_outstanding_images", "Images that wait or are computed", lambda: counters.outstanding)
    table = addresses(settings)
    tritons = Tritons([table[name] for name in table if name in settings.tritons], settings.bakeoff_home)
    service = TritonService(
        tritons, arena, counters, heartbeat.row, max_queue_images=settings.max_queue_images, metrics=metrics
    )
    documents = Documents(settings.max_batch_size, settings.request_timeout_s)
    keys = CurrentKeys(settings, tell=heartbeat.row == 0)
    tracing = Tracing(settings, SERVICE) if settings.otlp_endpoint else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        heartbeat.start()
        watching = [asyncio.create_task(keys.watch()), asyncio.create_task(tritons.watch())]
        yield
        for task in watching:
            task.cancel()
        await console.close()
        tritons.close()
        documents.close()
        if tracing:
            tracing.close()

    app = FastAPI(
        title="clip-bakeoff: gateway to Triton",
        version=version("clip-bakeoff"),
        lifespan=lifespan,
        **documentation.RELATIVE,
    )
    console = Console(over_socket(socket_path(settings.bakeoff_home, CONSOLE)), lambda: _status(heartbeat))
    app.state.context = Context(
        settings=settings,
        service=service,
        models=TritonModels(tritons, service, documents, settings, onward if tracing else lambda _: {}),
        documents=documents,
        metrics=metrics,
        specs={spec.name: spec for spec in model_specs(settings.max_batch_size)},
        described={**model_info(settings, hardware), "decode": "cpu"},
    )
    serve_front(app, settings, keys=keys, metrics=metrics, tracing=tracing, console=console)
    return app


def _status(heartbeat: Heartbeat) -> FrontStatus:
    """Return what the gate does not see; whether a Triton serves, it does."""
    if silent := heartbeat.silent():
        return FrontStatus(f"HTTP worker {silent[0]} of the gateway hangs; after HANG_TIMEOUT_S it is replaced")
    return FrontStatus()
