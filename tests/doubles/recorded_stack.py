"""`python -m tests.doubles.recorded_stack`: port 8002's status page over recorded documents, for states that take long to reach.

The page, its routes and the middleware are the product's; what the gate would write lies in `--home` already, and no
model is behind it. With `--key` it asks for that key where the product does.
"""

import argparse
import dataclasses
import json
import socket
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from server.backend_addresses import addresses
from server.console.quick_benchmark import QuickBenchmark
from server.console.trial import Trial
from server.hardware import resolve
from server.http import errors
from server.http.access import Access
from server.http.metrics import Metrics
from server.http.observed import Observed
from server.http.routes import operations as common
from server.pytorch.context import Context
from server.pytorch.routes import documentation, operations, page
from server.settings import Settings


def main() -> None:
    """Serve until SIGTERM; prints its URL as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--key")
    words = parser.parse_args()
    settings = Settings(bakeoff_home=words.home, _env_file=None)  # type: ignore[call-arg]
    settings.home.state.mkdir(parents=True, exist_ok=True)
    metrics = Metrics()
    app = FastAPI(**documentation.RELATIVE)
    parts: dict[str, Any] = {field.name: None for field in dataclasses.fields(Context)}
    parts.update(
        settings=settings,
        hardware=resolve(settings),
        engines=cast("Any", SimpleNamespace(loaded=True, lost=False, missing=None)),
        heartbeat=cast("Any", SimpleNamespace(silent=list)),
        metrics=metrics,
        backends=addresses(settings),
        trial=Trial(addresses(settings)),
        benchmark=QuickBenchmark(settings),
    )
    app.state.context = Context(**parts)
    errors.install(app)
    if words.key:
        app.add_middleware(Access, keys=lambda: (words.key,), open_paths=page.OPEN_PATHS)
    app.add_middleware(Observed, metrics=metrics)
    app.include_router(page.router)
    app.include_router(common.router)
    app.include_router(operations.router)
    app.include_router(documentation.router)
    listener = socket.create_server(("127.0.0.1", 0))
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
