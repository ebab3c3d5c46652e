"""A double of whoever serves port 8002: no model behind it, and the product's own ways to the console."""

from types import SimpleNamespace

import httpx
from fastapi import FastAPI

from server.console_paths import OPEN
from server.http import errors
from server.http.access import Access
from server.http.front_status import FrontStatus
from server.http.head import Head
from server.http.metrics import Metrics
from server.http.observed import Observed
from server.http.passed_on import Console, pass_on
from server.http.routes import documentation, operations, rest
from server.http.safe_headers import SafeHeaders


def front(transport: httpx.AsyncBaseTransport, *, status: FrontStatus | None = None, key: str | None = None) -> FastAPI:
    """Return an application that reaches the console over `transport`, and asks for `key` where the product does."""
    metrics = Metrics()
    app = FastAPI(title="a server", **documentation.RELATIVE)
    app.state.context = SimpleNamespace(metrics=metrics)
    errors.install(app)
    app.add_middleware(Head)
    if key:
        app.add_middleware(Access, keys=lambda: (key,), open_paths=OPEN)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Observed, metrics=metrics)
    for router in (rest.router, operations.router, documentation.router):
        app.include_router(router)
    pass_on(app, Console(transport, lambda: status or FrontStatus()))
    return app
