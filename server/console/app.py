"""The console's FastAPI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from server.backend_addresses import addresses
from server.console.context import Context
from server.console.quick_benchmark import QuickBenchmark
from server.console.routes import keep, operations, page
from server.console.stack_metrics import StackMetrics
from server.console.trial import Trial
from server.console_paths import OPENAPI
from server.http import errors
from server.settings import Settings


def create_app(settings: Settings, device: str) -> FastAPI:
    """Build the application; who may ask it is for the port that passes its paths on to decide."""
    table = addresses(settings)
    trial, benchmark = Trial(table), QuickBenchmark(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await benchmark.close()
        await trial.close()

    app = FastAPI(lifespan=lifespan, openapi_url=OPENAPI, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.context = Context(settings, device, table, trial, benchmark)
    app.state.metrics = CollectorRegistry()
    app.state.metrics.register(StackMetrics(settings))
    errors.install(app)
    for router in (operations.router, page.router, keep.router, operations.own_router):
        app.include_router(router)
    return app
