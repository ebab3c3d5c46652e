"""What stands before every route of a program on a port, in one order: who may ask, how much, and how an error is told."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from server.http import errors
from server.http.access import LIVENESS, Access
from server.http.addressed import Addressed
from server.http.body_limit import BodyLimit
from server.http.compressed import Compressed
from server.http.current_keys import CurrentKeys
from server.http.head import Head
from server.http.metrics import Metrics
from server.http.observed import Observed
from server.http.safe_headers import SafeHeaders
from server.http.same_origin import SameOrigin
from server.http.tracing import Tracing
from server.settings import Settings

MIB = 2**20


def guard(
    app: FastAPI,
    settings: Settings,
    *,
    keys: CurrentKeys,
    open_paths: Sequence[str],
    metrics: Metrics,
    tracing: Tracing | None,
) -> None:
    """Give `app` its middleware and error answers; `open_paths` need no key, as liveness does not."""
    errors.install(app)
    app.add_middleware(Head)
    app.add_middleware(Compressed, limit=settings.max_body_mb * MIB)
    app.add_middleware(BodyLimit, limit=settings.max_body_mb * MIB)
    if settings.keys:
        unprotected = () if settings.protect_metrics else ("/metrics",)
        app.add_middleware(Access, keys=keys, open_paths=(*LIVENESS, *open_paths, *unprotected))
    app.add_middleware(
        SameOrigin,
        allowed_hosts=settings.allowed_hosts,
        cors_origins=settings.cors_origins,
        open_paths=LIVENESS,
    )
    app.add_middleware(Addressed)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Observed, metrics=metrics, tracing=tracing)
    if settings.cors_origins:  # outermost: a browser's preflight carries no key
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "Content-Type", "Inference-Header-Content-Length"),
            expose_headers=("Inference-Header-Content-Length", "Retry-After"),
        )
