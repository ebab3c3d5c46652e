"""The FastAPI application on port 8002."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from server.hardware import Hardware
from server.model.info import model_info
from server.oip.spec import model_specs
from server.pytorch import errors
from server.pytorch.body_limit import BodyLimit
from server.pytorch.context import Context
from server.pytorch.lifecycle import Lifecycle
from server.pytorch.metrics import Metrics
from server.pytorch.routes import oip, operations, rest
from server.settings import Settings

MIB = 2**20


def create_app(settings: Settings, hardware: Hardware) -> FastAPI:
    """Build the application; the model is loaded in the background once it has started.

    Raises:
        ModelError: nothing has been exported.
    """
    metrics = Metrics()

    def load() -> Any:
        from server.pytorch.service import load_service  # imports torch, which takes seconds

        return load_service(settings, hardware, metrics)

    lifecycle = Lifecycle(load)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(lifecycle.start())
        yield
        await loading
        await lifecycle.stop()

    app = FastAPI(title="clip-bakeoff: PyTorch backend", version=version("clip-bakeoff"), lifespan=lifespan)
    app.state.context = Context(
        settings=settings,
        hardware=hardware,
        lifecycle=lifecycle,
        metrics=metrics,
        specs={spec.name: spec for spec in model_specs(settings.max_batch_size)},
        model_info=model_info(settings, hardware),
    )
    errors.install(app)
    app.add_middleware(BodyLimit, limit=settings.max_body_mb * MIB)
    for router in (rest.router, oip.router, operations.router):
        app.include_router(router)
    return app
