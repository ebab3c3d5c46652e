"""What whoever serves port 8002 answers, whichever program that is: one order of checks and routes for all of them."""

from fastapi import FastAPI

from server.console_paths import OPEN
from server.http.current_keys import CurrentKeys
from server.http.guard import guard
from server.http.metrics import Metrics
from server.http.passed_on import Console, pass_on
from server.http.routes import documentation, oip, operations, rest
from server.http.tracing import Tracing
from server.settings import Settings


def serve_front(
    app: FastAPI, settings: Settings, *, keys: CurrentKeys, metrics: Metrics, tracing: Tracing | None, console: Console
) -> None:
    """Give `app`, whose state has a `Context`, the checks and routes of 8002, and the way to the console."""
    guard(app, settings, keys=keys, open_paths=OPEN, metrics=metrics, tracing=tracing)
    for router in (oip.infer_router, rest.router, oip.router, operations.router, documentation.router):
        app.include_router(router)
    pass_on(app, console)
