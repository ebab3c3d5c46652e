"""The FastAPI application on port 8002, as each worker runs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from server.backend_addresses import addresses
from server.hardware import Hardware
from server.http.current_keys import CurrentKeys
from server.http.documents import Documents
from server.http.front import serve_front
from server.http.heartbeat import Heartbeat
from server.http.metrics import Metrics
from server.http.passed_on import Console, over_socket
from server.http.routes import documentation
from server.http.tracing import Tracing
from server.images.decoding import Decoders
from server.model.info import model_info
from server.oip.spec import model_specs
from server.oip.statistics import ModelStatistics
from server.pytorch.context import Context, front_status
from server.pytorch.engine_client import EngineClient
from server.pytorch.models import EngineModels
from server.pytorch.service import EmbeddingService
from server.pytorch.triton_metrics import TritonMetrics
from server.settings import Settings
from server.sockets import CONSOLE, socket_path


def create_app(
    settings: Settings,
    hardware: Hardware,
    engines: EngineClient,
    statistics: dict[str, ModelStatistics],
    heartbeat: Heartbeat,
) -> FastAPI:
    """Build the application; it answers from the start, and embeds once the engines have loaded.

    Raises:
        ModelError: nothing has been exported.
        SocketProblem: there is no folder for the console's socket.
    """
    metrics = Metrics()
    metrics.gauge("bakeoff_outstanding_images", "Images that wait or are computed", lambda: engines.outstanding)
    metrics.share(TritonMetrics(statistics))
    max_pixels = int(settings.max_megapixels * 1e6)
    decoders = Decoders(
        -(-hardware.decode_workers // hardware.http_workers),
        max_pixels=max_pixels,
        upright=settings.apply_exif_orientation,
        cpu_s=settings.decode_cpu_s,
        wall_s=settings.request_timeout_s,
    )
    service = EmbeddingService(
        engines,
        max_pixels=max_pixels,
        decoders=decoders,
        statistics=statistics,
        metrics=metrics,
    )

    documents = Documents(settings.max_batch_size, settings.request_timeout_s)
    described = model_info(settings, hardware)
    keys = CurrentKeys(settings, tell=heartbeat.row == 0)
    tracing = Tracing(settings, addresses(settings)["pytorch"].service) if settings.otlp_endpoint else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        heartbeat.start()
        decoders.start()
        engines.start()
        await engines.connected()
        watching = asyncio.create_task(keys.watch())
        yield
        watching.cancel()
        await console.close()
        service.stop()
        documents.close()
        engines.close()
        if tracing:
            tracing.close()

    app = FastAPI(
        title="clip-bakeoff: PyTorch backend",
        version=version("clip-bakeoff"),
        lifespan=lifespan,
        **documentation.RELATIVE,
    )
    console = Console(
        over_socket(socket_path(settings.bakeoff_home, CONSOLE)), lambda: front_status(engines, heartbeat)
    )
    app.state.context = Context(
        settings=settings,
        engines=engines,
        service=service,
        models=EngineModels(engines, service, documents, settings, described),
        documents=documents,
        metrics=metrics,
        specs={spec.name: spec for spec in model_specs(settings.max_batch_size)},
        described=described,
    )
    serve_front(app, settings, keys=keys, metrics=metrics, tracing=tracing, console=console)
    return app
